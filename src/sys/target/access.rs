// SPDX-License-Identifier: GPL-2.0

//! Permission to take something from another task, and the lock that joins the check with the use.
//!
//! The check is `ptrace_may_access()`, and the use is the pinning in [`super::pinned`]. Between the
//! two, the task could execute a set-user-ID program, to which the caller has no access. execve(2)
//! holds the task's `exec_update_lock` for writing from before it changes the address space until
//! the new credentials are in place. So the kernel's own readers of another task (readlink(2) of
//! `/proc/PID/ns`, pidfd_getfd(2), process_vm_readv(2)) hold it for reading from the check to the
//! use. This module does the same, and [`Access`] cannot outlive the lock.

use core::marker::PhantomData;
use kernel::{
    bindings,
    prelude::*,
    task::Task,
    types::NotThreadSafe, //
};

use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    sys::bindings::{
        unshare_access_UNSHARE_READ_FSCREDS,
        unshare_access_UNSHARE_READ_REALCREDS,
        unshare_exec_update_lock,
        unshare_ptrace_may_access, //
    },
};

/// A task whose `exec_update_lock` is held for reading, so that its execve(2) must wait.
///
/// # Invariants
///
/// The running task holds the lock.
pub(super) struct ExecUpdateRead<'a>(&'a Task, NotThreadSafe);

impl<'a> ExecUpdateRead<'a> {
    /// Takes the lock, unless a writer holds it or waits for it.
    ///
    /// Does not wait: execve(2) may hold the lock while it waits for the `mmap_lock` of the old
    /// address space, and the caller limits its wait ([`super::patience`]). Trying the lock also
    /// means that two tasks that attach to each other cannot deadlock.
    pub(super) fn try_lock(task: &'a Task) -> Option<Self> {
        // SAFETY: The task is borrowed, and holds its `signal_struct`, which has the lock.
        let locked =
            unsafe { bindings::down_read_trylock(unshare_exec_update_lock(task.as_ptr())) };
        // INVARIANT: The function took the lock unless it returned 0. The closure makes the value
        // only then, because its drop unlocks.
        (locked != 0).then(|| Self(task, NotThreadSafe))
    }
}

impl Drop for ExecUpdateRead<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the lock is held.
        unsafe { bindings::up_read(unshare_exec_update_lock(self.0.as_ptr())) };
    }
}

/// Permission to take `wanted` from `task`. [`Access::check`] makes it, pinning consumes it.
pub(super) struct Access<'a> {
    pub(super) task: &'a Task,
    pub(super) wanted: Contexts,
    _update: PhantomData<&'a ExecUpdateRead<'a>>,
}

impl<'a> Access<'a> {
    /// Checks that the running task may take `wanted` from the task.
    ///
    /// Mirrors `validate_nsset()`, and for [`Context::Fs`] the check when `/proc/PID/root` is
    /// opened. Fails with `EPERM`, or with `EACCES` if only the directories are denied.
    pub(super) fn check(update: &'a ExecUpdateRead<'a>, wanted: Contexts) -> Result<Self> {
        let task = update.0;
        let namespaces = wanted.without(Context::Fs.into());
        if !namespaces.is_empty() && !may_access(task, unshare_access_UNSHARE_READ_REALCREDS) {
            return Err(EPERM);
        }
        if wanted.contains(Context::Fs) && !may_access(task, unshare_access_UNSHARE_READ_FSCREDS) {
            return Err(EACCES);
        }
        Ok(Self {
            task,
            wanted,
            _update: PhantomData,
        })
    }
}

fn may_access(task: &Task, mode: u32) -> bool {
    // SAFETY: The task is borrowed. Attaching is offered only if the function was found.
    unsafe { unshare_ptrace_may_access(task.as_ptr(), mode) }
}
