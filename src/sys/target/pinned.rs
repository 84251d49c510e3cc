// SPDX-License-Identifier: GPL-2.0

//! References to what a task had: first pinned, then checked to belong together.

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

/// State of a [`Target`]: the references may be from before and after a change of the task.
pub(crate) struct Pinned(());

/// State of a [`Target`]: all references are from one moment, between two changes of the task.
pub(crate) struct Settled(());

/// References to what a task had. Only a settled one can be installed.
pub(crate) struct Target<State> {
    pub(super) had: Had,
    pub(super) _state: PhantomData<State>,
}

/// References that were taken from a task.
///
/// # Invariants
///
/// Has what the request wanted.
pub(super) struct Had {
    /// For all namespaces except user and PID.
    pub(super) nsproxy: Option<SharedNsProxy>,
    /// The user namespace of the task's credentials.
    pub(super) user_ns: Option<UserNs>,
    /// The PID namespace that the task is in.
    pub(super) pid_ns: Option<ARef<PidNamespace>>,
    pub(super) directories: Option<Directories>,
    /// The task's credentials. Never followed, only compared.
    pub(super) cred: *const bindings::cred,
}

/// A root and a working directory.
pub(super) struct Directories {
    pub(super) root: Place,
    pub(super) pwd: Place,
}

/// Takes references to what is `wanted` of a task.
///
/// Returns a pinned target if the references do not belong together, because the task is between
/// two changes. The caller must drop it only after `update`: the last puts may sleep for long, and
/// execve(2) of the task would wait for them.
///
/// `exec_update_lock` is held from the permission check to the pinning. It keeps out execve(2)
/// only: setns(2), setresuid(2) and `PR_SET_DUMPABLE` do not take it. So the permission is checked
/// again after the pinning, and what was pinned is dropped if the permission is gone. setns(2) has
/// no second check. Neither function notices if the task forbids access, changes, changes back, and
/// permits access again, all between two checks.
///
/// Fails with `ESRCH` if the task is exiting and has given up its namespaces or directories, and
/// with the errors of [`Access::check`].
pub(super) fn try_take(
    update: &ExecUpdateRead<'_>,
    wanted: Contexts,
) -> Result<Result<Target<Settled>, Target<Pinned>>> {
    let access = Access::check(update, wanted)?;
    // A task is in the same PID namespace all its life, but has none when it has been released.
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
        // The next call fails with the errno of the first check.
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
    /// Takes the references, under the locks that keep their sources.
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
        // SAFETY: Under RCU, which `locked` holds, `cred` and its user namespace are valid.
        let user_ns = wants(Context::User.into()).then(|| unsafe { UserNs::get(cred) });
        // INVARIANT: The callers pass `fs` and `pid_ns` if they are wanted.
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

    /// Checks that all references are from one moment. The proof is in [`super::rest`].
    ///
    /// References that come from a single pointer need no check.
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

/// Returns the task's `real_cred`, which may be followed under RCU, and otherwise only compared.
fn real_cred(locked: &OtherTask<'_>) -> *const bindings::cred {
    let _ = locked.rcu;
    // SAFETY: The task is borrowed, and the RCU read lock is held.
    unsafe { unshare_real_cred_of(locked.task.as_ptr()) }
}

/// A reference to the nsproxy of another task.
///
/// # Invariants
///
/// Owns one reference to an active nsproxy.
pub(super) struct SharedNsProxy(NonNull<bindings::nsproxy>);

impl SharedNsProxy {
    fn get(locked: &OtherTask<'_>) -> Self {
        // SAFETY: The locked task holds a reference to its nsproxy.
        unsafe { unshare_get_nsproxy(locked.nsproxy().as_ptr()) };
        // INVARIANT: `get_nsproxy()` took the reference. The nsproxy of a task is active.
        Self(locked.nsproxy())
    }

    /// Takes over the reference of `set`.
    pub(super) fn of(set: ActiveNsProxy) -> Self {
        // INVARIANT: The reference moves out of `set`, which is active.
        Self(core::mem::ManuallyDrop::new(set).as_ptr())
    }

    /// Returns the nsproxy, to be read only.
    pub(super) fn as_ptr(&self) -> *mut bindings::nsproxy {
        self.0.as_ptr()
    }
}

impl Drop for SharedNsProxy {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `self` owns the reference, and the nsproxy is active.
        drop(unsafe { ActiveNsProxy::from_raw(self.0) });
    }
}

/// A reference to a directory and its mount. The `kernel` crate has no type for a `struct path`.
///
/// # Invariants
///
/// Owns a reference to both.
pub(super) struct Place(bindings::path);

impl Place {
    /// Takes references. Mirrors `path_get()`.
    pub(super) fn get(path: &bindings::path) -> Self {
        // SAFETY: The path is borrowed, so both parts are valid.
        unsafe { bindings::path_get(path) };
        // INVARIANT: `path_get()` took the references.
        Self(*path)
    }

    /// Returns the path, which is valid while `self` exists.
    pub(super) fn as_ptr(&self) -> *const bindings::path {
        &raw const self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `self` owns the references.
        unsafe { bindings::path_put(&self.0) };
    }
}
