// SPDX-License-Identifier: GPL-2.0

//! Held contexts: a descriptor holds them, and a thread enters them for a while and leaves them again.
//!
//! Entering is a commit whose result is kept: an entry of the thread owns the namespaces and directories
//! that the thread had. Leaving commits that entry. Both use [`Swap`], as `Prepared::commit` does.
//!
//! # Permission
//!
//! A thread enters without a check if it has the credentials with which the context was prepared, that is,
//! the same `struct cred`. The kernel shares a `struct cred` between the threads of one process only
//! (`copy_creds()`), and replaces it at each change of the credentials. Any other thread must pass the
//! checks of setns(2), chroot(2) and fchdir(2).
//!
//! A thread leaves without a check if it has the credentials with which it entered. Any other thread must pass
//! the same checks to leave. Without these checks, a program that enters, drops its privileges and then reads
//! hostile input could go back although setns(2) would refuse it.
//!
//! # The way back
//!
//! An entry has all namespaces that the thread had, also those that the `Held` does not change: inside, the
//! thread may change them by setns(2) or unshare(2). It has the thread's root and working directory only if the
//! `Held` has some. So a thread that changes its mount or time namespace inside may be unable to leave: see
//! [`mod@leave`].

mod leave;

use kernel::{
    fs::File,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        aref::ARef,
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
    }, //
};

use crate::{
    attach,
    contexts::{
        sysvsem,
        Context,
        Contexts, //
    },
    request::Request,
    sys::{
        bindings::{
            UNSHARE_ENTER,
            UNSHARE_LEAVE, //
        },
        cred::KeptCred,
        fs_struct::FsStruct,
        held::{
            self,
            Entries, //
        },
        nsproxy::{
            join_time_ns,
            perf_event_namespaces,
            ActiveNsProxy,
            NsProxy, //
        },
        target::Target,
        task::{
            Current,
            TaskLock, //
        },
    },
    transaction::swap::Swap, //
};

pub(crate) use self::leave::leave;

/// The number of the newest [`Held`].
static LAST: Atomic<u64> = Atomic::new(0);

/// Prepared contexts that a descriptor owns. Any number of threads may be inside.
pub(crate) struct Held {
    /// Never used twice, so that an entry can name a `Held` that is gone.
    number: u64,
    /// The namespaces that the request named, and the initial ones of the other kinds.
    set: Option<ActiveNsProxy>,
    /// Never changed: each thread that enters gets a copy.
    fs: Option<FsStruct>,
    /// The contexts that the request named.
    kinds: Contexts,
    /// The credentials with which the contexts were prepared.
    maker: KeptCred,
}

impl Held {
    /// Makes a file that owns a `Held`.
    ///
    /// The namespaces become active after the file has been made, so that listns(2) and the file handles of nsfs
    /// do not find those of a request that fails.
    ///
    /// Fails with `ENFILE`, or with `ENOMEM`: the first `Held` makes the module watch for tasks that end.
    pub(crate) fn file(
        current: &Current,
        set: Option<NsProxy>,
        fs: Option<FsStruct>,
        kinds: Contexts,
    ) -> Result<ARef<File>> {
        Entries::get().watch()?;
        held::into_file(|| Self {
            number: LAST.fetch_add(1, Relaxed).wrapping_add(1),
            set: set.map(NsProxy::activate),
            fs,
            kinds,
            maker: KeptCred::of(current),
        })
    }

    /// Runs a command of the descriptor. The argument must be 0.
    pub(crate) fn ioctl(&self, cmd: u32, arg: usize) -> Result {
        let current = Current::get();
        match cmd {
            UNSHARE_ENTER | UNSHARE_LEAVE if arg != 0 => Err(EINVAL),
            UNSHARE_ENTER => self.enter(&current),
            UNSHARE_LEAVE => leave(Some(self), &current),
            _ => Err(ENOTTY),
        }
    }

    /// Puts the running task into the held contexts. Every step that can fail comes before the exchange.
    ///
    /// Fails with `ENOMEM`; with `ENOSPC` if the task has entered too often without leaving; and, if the
    /// task has other credentials than the maker had, as setns(2), chroot(2) and fchdir(2) do.
    fn enter(&self, current: &Current) -> Result {
        let entries = Entries::get();
        let room = entries.reserve(current)?;
        let places = match self.maker.is_of(current) {
            true => self.as_made(current)?,
            false => self.checked(current)?,
        };
        let places = Swap {
            // The entry has the namespaces also if only directories are held.
            nsproxy: places.nsproxy.or_else(|| Some(ActiveNsProxy::of(current))),
            ..places
        };
        let had = exchange(current, places, Swap::park);
        entries.push(room, self.number, had, current);
        Ok(())
    }

    /// Returns the places to enter, for a task with the maker's credentials.
    ///
    /// The task keeps its namespaces of the other kinds. If they are the initial ones, the task uses
    /// the held nsproxy itself.
    fn as_made(&self, current: &Current) -> Result<Swap<FsStruct>> {
        let set = self.set.as_ref().map(|set| {
            match set.changes(current).without(self.kinds).is_empty() {
                true => Ok(set.share()),
                false => NsProxy::with(current, set, self.kinds).map(NsProxy::activate),
            }
        });
        let fs = self.fs.as_ref().map(|fs| fs.copy_for(current));
        Ok(Swap {
            nsproxy: set.transpose()?,
            fs: fs.transpose()?,
        })
    }

    /// Returns the places to enter, for a task with other credentials, after the checks of an attach.
    fn checked(&self, current: &Current) -> Result<Swap<FsStruct>> {
        let target = Target::of_held(self.set.as_ref(), self.fs.as_ref());
        let request = Request::attaching(self.kinds);
        let fs = self.fs.as_ref().map(|_| FsStruct::dup(current));
        let mut fs = fs.transpose()?;
        let attached = attach::install(current, &request, &target, fs.as_mut());
        let set = attached.map_err(|failure| failure.errno)?.set;
        Ok(Swap {
            nsproxy: set.map(NsProxy::activate),
            fs,
        })
    }

    /// Writes the module's lines of `/proc/PID/fdinfo/FD`.
    pub(crate) fn show(&self, seq: &SeqFile) {
        for (kind, name) in [
            (Context::Mount, "mnt"),
            (Context::Uts, "uts"),
            (Context::Ipc, "ipc"),
            (Context::Pid, "pid"),
            (Context::Cgroup, "cgroup"),
            (Context::Net, "net"),
        ] {
            let set = self.set.as_ref().filter(|_| self.kinds.contains(kind));
            if let Some(number) = set.and_then(|set| set.number(kind)) {
                seq_print!(seq, "unshare-{name}:\t{number}\n");
            }
        }
        if self.fs.is_some() {
            seq_print!(seq, "unshare-fs:\t1\n");
        }
        let inside = Entries::get().count(self.number);
        seq_print!(seq, "unshare-inside:\t{inside}\n");
    }
}

/// Gives the running task other namespaces and directories, and returns those that it had.
///
/// Takes the steps of `Prepared::commit` that concern namespaces and directories, in the same order.
fn exchange<Fs, Old>(
    current: &Current,
    places: Swap<Fs>,
    swap: impl FnOnce(Swap<Fs>, &mut TaskLock<'_>) -> Swap<Old>,
) -> Swap<Old> {
    let set = places.nsproxy.as_ref();
    if set.is_some_and(|set| set.changes_ipc_ns(current)) {
        if let Some(undo_list) = sysvsem::of(current) {
            undo_list.commit(current);
        }
    }
    // ENTER never changes the time namespace. LEAVE does, if the task changed it inside.
    let changes_clocks = set.is_some_and(|set| set.changes_time_ns(current));
    let had = swap(places, &mut current.lock());
    if changes_clocks {
        join_time_ns(current);
    }
    perf_event_namespaces(current);
    had
}
