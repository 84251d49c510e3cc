// SPDX-License-Identifier: GPL-2.0

//! Contexts that a descriptor holds: a thread enters them for a while, and leaves them again.
//!
//! Entering is a commit whose result is kept: what the thread had goes into an entry of that thread.
//! Leaving is a commit of that result. Both swap by [`Swap`], as `Prepared::commit` does.
//!
//! # Permission
//!
//! A thread enters without a check if it has the credentials with which the context was prepared: the same
//! `struct cred`, which the kernel shares between the threads of one process only (`copy_creds()`), and
//! which changes with each change of them. Any other thread has to pass what setns(2), chroot(2) and
//! fchdir(2) would ask.
//!
//! A thread leaves without a check if it has the credentials with which it entered. Else a program that
//! enters, drops its privileges and reads hostile input would have a way out that setns(2) would not give
//! it.
//!
//! # The way back
//!
//! A thread owns the whole set of namespaces that it had, whatever the context has of it: inside, the thread
//! may change the others by setns(2) or unshare(2). It owns its root and working directory only if the context
//! has those. So a thread cannot leave in two cases, of its own making and refused by setns(2) too, until it
//! has undone them ([`mod@leave`]).

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

/// The number of the context that was held last.
static LAST: Atomic<u64> = Atomic::new(0);

/// A prepared context that a descriptor owns. Any number of threads may be inside.
pub(crate) struct Held {
    /// Never used twice, so that an entry can name the context when it is gone.
    number: u64,
    /// The named namespaces, and the initial ones besides.
    set: Option<ActiveNsProxy>,
    /// Never written to: each thread that enters gets a copy.
    fs: Option<FsStruct>,
    /// What was named.
    kinds: Contexts,
    maker: KeptCred,
}

impl Held {
    /// Makes a file that holds what was prepared.
    ///
    /// The namespaces become active when the file is there. If it cannot be made, they go uncounted and unseen,
    /// as after any request that fails.
    ///
    /// Fails with `ENFILE`, and with `ENOMEM`: the first one has the ends of tasks watched.
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

    /// The commands of the descriptor. None has an argument.
    pub(crate) fn ioctl(&self, cmd: u32, arg: usize) -> Result {
        let current = Current::get();
        match cmd {
            UNSHARE_ENTER | UNSHARE_LEAVE if arg != 0 => Err(EINVAL),
            UNSHARE_ENTER => self.enter(&current),
            UNSHARE_LEAVE => leave(Some(self), &current),
            _ => Err(ENOTTY),
        }
    }

    /// Puts the running task in. What can fail comes first.
    ///
    /// Fails with `ENOMEM`; with `ENOSPC` if the task has entered too often without leaving; and for a task
    /// that did not make it, as setns(2), chroot(2) and fchdir(2) do.
    fn enter(&self, current: &Current) -> Result {
        let entries = Entries::get();
        let room = entries.reserve(current)?;
        let places = match self.maker.is_of(current) {
            true => self.as_made(current)?,
            false => self.checked(current)?,
        };
        let places = Swap {
            // For the way back, also if only directories are held.
            nsproxy: places.nsproxy.or_else(|| Some(ActiveNsProxy::of(current))),
            ..places
        };
        let had = exchange(current, places, Swap::park);
        entries.push(room, self.number, had, current);
        Ok(())
    }

    /// Returns what is held for a task that needs no check.
    ///
    /// A task keeps its namespaces of the kinds that were not named. If those are the initial ones, as in the
    /// held set, the task gets the held set itself.
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

    /// Returns what is held for a task that might not be allowed to have it.
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

    /// Writes the lines of `/proc/PID/fdinfo`.
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

/// Returns whether the running task would have other clocks in a set.
fn changes_clocks(set: Option<&ActiveNsProxy>, current: &Current) -> bool {
    set.is_some_and(|set| set.changes_clocks(current))
}

/// Gives the running task other namespaces and directories. The steps are those of `Prepared::commit` that
/// have to do with these.
fn exchange<Fs, Old>(
    current: &Current,
    places: Swap<Fs>,
    swap: impl FnOnce(Swap<Fs>, &mut TaskLock<'_>) -> Swap<Old>,
) -> Swap<Old> {
    let set = places.nsproxy.as_ref();
    let changes = set.map_or(Contexts::empty(), |set| set.changes(current));
    if changes.contains(Context::Ipc) {
        if let Some(undo_list) = sysvsem::of(current) {
            undo_list.commit(current);
        }
    }
    // A task can change its time namespace while it is inside.
    let changes_clocks = changes_clocks(set, current);
    let had = swap(places, &mut current.lock());
    if changes_clocks {
        join_time_ns(current);
    }
    perf_event_namespaces(current);
    had
}
