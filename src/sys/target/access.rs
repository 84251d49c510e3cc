// SPDX-License-Identifier: GPL-2.0

//! Permission to take something from another task, and the lock that joins the check with the use.
//!
//! The check is `ptrace_may_access()`, the use is the pinning in [`super::pinned`]. Between the two
//! the task could execute a set-user-ID program, which may look where the caller must not follow.
//! The kernel's own readers of another task (`/proc/PID/fd`, pidfd_getfd(2), process_vm_readv(2))
//! hold the task's `exec_update_lock` for reading from the check to the use: execve(2) has it for
//! writing from before it changes the address space until the new credentials are in place. So do
//! we, and [`Access`] lives no longer than the lock.

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

/// A task whose `exec_update_lock` is held for reading: its credentials and its address space stay.
///
/// # Invariants
///
/// The lock is held, by the running task.
pub(super) struct ExecUpdateRead<'a>(&'a Task, NotThreadSafe);

impl<'a> ExecUpdateRead<'a> {
    /// Takes the lock if no writer has it or waits for it.
    ///
    /// The lock is only tried: execve(2) may hold it for as long as it waits for the `mmap_lock` of the old
    /// address space, and the caller has a limit for that ([`super::patience`]). A lock that is tried
    /// orders nothing, so two tasks that attach to each other cannot wait for each other.
    pub(super) fn try_lock(task: &'a Task) -> Option<Self> {
        // SAFETY: The task is borrowed, and its `signal_struct` with the lock lives as long.
        let locked =
            unsafe { bindings::down_read_trylock(unshare_exec_update_lock(task.as_ptr())) };
        // INVARIANT: The function has taken the lock unless it returns 0. A value that is made in
        // vain would unlock.
        (locked != 0).then(|| Self(task, NotThreadSafe))
    }
}

impl Drop for ExecUpdateRead<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the lock is held, and it is where it was.
        unsafe { bindings::up_read(unshare_exec_update_lock(self.0.as_ptr())) };
    }
}

/// Permission to take `wanted` from a task. Only [`Access::check`] makes it, pinning consumes it.
pub(super) struct Access<'a> {
    pub(super) task: &'a Task,
    pub(super) wanted: Contexts,
    _update: PhantomData<&'a ExecUpdateRead<'a>>,
}

impl<'a> Access<'a> {
    /// Checks that the running task may look at what is `wanted`.
    ///
    /// Mirrors `validate_nsset()`; for [`Context::Fs`], opening `/proc/PID/root`. Fails with
    /// `EPERM`, and with `EACCES` when only the directories are out of reach.
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
    // SAFETY: The task is borrowed. The function was found, or nothing could be attached to.
    unsafe { unshare_ptrace_may_access(task.as_ptr(), mode) }
}
