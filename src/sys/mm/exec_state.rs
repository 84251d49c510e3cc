// SPDX-License-Identifier: GPL-2.0

//! Who may trace and dump a task (`task->exec_state`), and `exec_update_lock`.
//!
//! C header: [`include/linux/sched/exec_state.h`](srctree/include/linux/sched/exec_state.h).

use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*, //
};

use crate::sys::{
    bindings::*,
    target::Patience,
    task::{
        Current,
        TaskLock, //
    },
};

/// A `task_exec_state`: whether a task may be dumped, and the user namespace for ptrace checks.
/// Tasks that share an address space share it.
///
/// # Invariants
///
/// Owns one reference.
pub(crate) struct ExecState(NonNull<bindings::task_exec_state>);

impl ExecState {
    /// Allocates one with the user namespace of the running task's. Fails with `ENOMEM`.
    ///
    /// Mirrors `task_exec_state_copy()`, but [`install`](Self::install) copies `dumpable`, which
    /// may change meanwhile.
    pub(crate) fn dup(current: &Current) -> Result<Self> {
        // SAFETY: Only the running task replaces its `exec_state`, whose `user_ns` never changes.
        let exec_state = unsafe {
            let old = unshare_exec_state(current.as_ptr());
            unshare_alloc_task_exec_state(unshare_exec_state_user_ns(old))
        };
        // INVARIANT: A new one has one reference, which moves to the value.
        NonNull::new(exec_state).map(Self).ok_or(ENOMEM)
    }

    /// Copies the task's present `dumpable` and gives the copy to the task; `self` owns the old
    /// `exec_state` afterwards. Mirrors `task_exec_state_replace()`.
    pub(crate) fn install(&mut self, lock: &mut TaskLock<'_>, _update: &ExecUpdate<'_>) {
        let task = lock.as_ptr();
        // SAFETY: `task_lock` and `exec_update_lock` are held. The two references are exchanged.
        let old = unsafe {
            unshare_copy_dumpable(self.0.as_ptr(), unshare_exec_state(task));
            unshare_task_exec_state_replace(task, self.0.as_ptr())
        };
        // SAFETY: A task always has an `exec_state`.
        self.0 = unsafe { NonNull::new_unchecked(old) };
    }
}

impl Drop for ExecState {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `self` owns the reference.
        unsafe { unshare_put_task_exec_state(self.0.as_ptr()) };
    }
}

/// The running task with its `exec_update_lock` held for writing.
///
/// Tasks that access the memory or the credentials of another task hold it for reading.
pub(crate) struct ExecUpdate<'a>(&'a Current);

impl<'a> ExecUpdate<'a> {
    /// Takes the lock, within the limit of [`Patience`]. Fails with `EINTR` on a fatal signal, and
    /// with `EBUSY` if the limit is exceeded.
    ///
    /// A reader may hold the lock for as long as it likes: `proc_ns_readlink()` copies to user
    /// memory under it, and a page fault there may wait for FUSE or userfaultfd.
    pub(crate) fn lock_in_time(current: &'a Current) -> Result<Self> {
        Self::lock(current, &mut Patience::new())
    }

    /// As [`lock_in_time`](Self::lock_in_time), within the time that is left in `patience`.
    pub(super) fn lock(current: &'a Current, patience: &mut Patience) -> Result<Self> {
        // SAFETY: A task has a `signal_struct` while it runs.
        while unsafe { unshare_try_lock_exec_update(current.as_ptr()) } == 0 {
            patience.wait(current, None)?;
        }
        Ok(Self(current))
    }
}

impl Drop for ExecUpdate<'_> {
    fn drop(&mut self) {
        // SAFETY: The value exists only while the lock is held.
        unsafe { unshare_unlock_exec_update(self.0.as_ptr()) };
    }
}
