// SPDX-License-Identifier: GPL-2.0

//! What was pinned of a task: first as it was found, then as it belongs together.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};

use super::{
    access::{
        Access,
        ExecUpdateRead, //
    },
    locks::{
        OtherFs,
        OtherTask, //
    },
    rest::is_changing, //
};
use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    sys::{
        bindings::*,
        cred::UserNs,
        nsproxy::ActiveNsProxy, //
    }, //
};

/// State of a [`Target`]: references are held, but may be of two sets.
pub(crate) struct Pinned(());

/// State of a [`Target`]: what is held was the task's at one moment, between two of its changes.
pub(crate) struct Settled(());

/// What a task had, with a reference each. Only a settled one can be installed from.
pub(crate) struct Target<State> {
    pub(super) had: Had,
    pub(super) _state: PhantomData<State>,
}

/// References that were taken from a task, for what was wanted of it.
///
/// # Invariants
///
/// Has what was wanted.
pub(super) struct Had {
    pub(super) nsproxy: Option<SharedNsProxy>,
    pub(super) user_ns: Option<UserNs>,
    pub(super) pid_ns: Option<ARef<PidNamespace>>,
    pub(super) directories: Option<Directories>,
    /// Only compared, while it is pinned.
    pub(super) cred: *const bindings::cred,
}

/// Root and working directory.
pub(super) struct Directories {
    pub(super) root: Place,
    pub(super) pwd: Place,
}

/// Takes what is `wanted` of a task. Where that does not belong together, the task is between two
/// changes, and the caller has to drop what it gets without the lock that `update` stands for: the last
/// puts may sleep for long, and execve(2) of the task would wait for them.
///
/// The permission is checked and the references are taken under one lock of the task's, which keeps
/// execve(2) out and nothing else: setns(2), setresuid(2) and `PR_SET_DUMPABLE` need no such lock. So the
/// permission is checked once more, and what was pinned does not count where it has gone. That is more
/// than setns(2) does. Neither sees a task that forbids it, changes, changes back, and permits it again
/// between the two checks.
///
/// Fails with `ESRCH` when the task exits and no longer has its namespaces or directories, and as
/// [`Access::check`] does.
pub(super) fn try_take(
    update: &ExecUpdateRead<'_>,
    wanted: Contexts,
) -> Result<Result<Target<Settled>, Target<Pinned>>> {
    let access = Access::check(update, wanted)?;
    // A task is in one PID namespace for its life, but has none when it has been released.
    let pid_ns = match wanted.contains(Context::Pid) {
        true => Some(access.task.get_pid_ns().ok_or(ESRCH)?),
        false => None,
    };
    let task = access.task;
    let found = {
        let rcu = rcu::read_lock();
        let locked = OtherTask::lock(task, &rcu)?;
        let fs = match wanted.contains(Context::Fs) {
            true => Some(locked.lock_fs()?),
            false => None,
        };
        Target::pin(access, &locked, fs.as_ref(), pid_ns).settle(wanted, &locked, fs.as_ref())
    };
    Ok(match found {
        // The next look says why not.
        Ok(target) if Access::check(update, wanted).is_err() => Err(target.into_state()),
        found => found,
    })
}

impl<State> Target<State> {
    fn into_state<Other>(self) -> Target<Other> {
        Target {
            had: self.had,
            _state: PhantomData,
        }
    }
}

impl Target<Pinned> {
    /// Takes the references, under the locks that keep what they are of.
    fn pin(
        access: Access<'_>,
        locked: &OtherTask<'_>,
        fs: Option<&OtherFs<'_>>,
        pid_ns: Option<ARef<PidNamespace>>,
    ) -> Self {
        let wants = |contexts: Contexts| access.wanted.contains_any(contexts);
        let directories = fs.map(|fs| Directories {
            root: Place::get(fs.root()),
            pwd: Place::get(fs.pwd()),
        });
        let nsproxy = wants(Contexts::NSPROXY).then(|| SharedNsProxy::get(locked));
        let cred = real_cred(locked);
        // SAFETY: The credentials are valid under RCU, which `locked` holds, and have their user
        // namespace.
        let user_ns = wants(Context::User.into()).then(|| unsafe { UserNs::get(cred) });
        // INVARIANT: `fs` is there if its paths are wanted, and `pid_ns` likewise.
        let had = Had {
            nsproxy,
            user_ns,
            pid_ns,
            directories,
            cred,
        };
        Self {
            had,
            _state: PhantomData,
        }
    }

    /// Checks that all of it was the task's at one moment: the proof is in [`super::rest`].
    ///
    /// What is behind one pointer changes at once, and needs no check.
    fn settle(
        self,
        wanted: Contexts,
        locked: &OtherTask<'_>,
        fs: Option<&OtherFs<'_>>,
    ) -> Result<Target<Settled>, Self> {
        let one_pointer = [Contexts::NSPROXY, Context::User.into()]
            .into_iter()
            .any(|source| wanted.without(source).is_empty());
        if !one_pointer && (is_changing(locked, fs) || real_cred(locked) != self.had.cred) {
            return Err(self);
        }
        Ok(self.into_state())
    }
}

/// The credentials that others see. To be followed under RCU, and else only to be compared.
fn real_cred(locked: &OtherTask<'_>) -> *const bindings::cred {
    let _ = locked.rcu;
    // SAFETY: The task is borrowed, and the RCU lock is held.
    unsafe { unshare_real_cred_of(locked.task.as_ptr()) }
}

/// A reference to a set of namespaces that a task is or was in. Not [`crate::sys::nsproxy`]'s: those
/// are the running task's own.
///
/// # Invariants
///
/// Owns one count.
pub(super) struct SharedNsProxy(NonNull<bindings::nsproxy>);

impl SharedNsProxy {
    fn get(locked: &OtherTask<'_>) -> Self {
        // SAFETY: The task has a count of its nsproxy while it is locked.
        unsafe { unshare_get_nsproxy(locked.nsproxy().as_ptr()) };
        // INVARIANT: That was the count.
        Self(locked.nsproxy())
    }

    /// Takes over a count.
    pub(super) fn of(set: ActiveNsProxy) -> Self {
        // INVARIANT: The count moves from `set`.
        Self(core::mem::ManuallyDrop::new(set).as_ptr())
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::nsproxy {
        self.0.as_ptr()
    }
}

impl Drop for SharedNsProxy {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the count is ours to give back. The set is that of a task, and
        // so it is active.
        drop(unsafe { ActiveNsProxy::from_raw(self.0) });
    }
}

/// A reference to a directory and the mount that it is in. The `kernel` crate has no type for one.
///
/// # Invariants
///
/// Owns a reference to both.
pub(super) struct Place(bindings::path);

impl Place {
    pub(super) fn get(path: &bindings::path) -> Self {
        // SAFETY: The path is borrowed, so both of its parts are valid.
        unsafe { bindings::path_get(path) };
        // INVARIANT: These were the references.
        Self(*path)
    }

    pub(super) fn as_ptr(&self) -> *const bindings::path {
        &raw const self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the references are ours to give back.
        unsafe { bindings::path_put(&self.0) };
    }
}
