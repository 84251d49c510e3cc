// SPDX-License-Identifier: GPL-2.0

//! The check whether the caller may look into a task.
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

/// Whether and for whom a task may be traced and dumped, which is shared as the address space is.
///
/// # Invariants
///
/// Owns one reference.
pub(crate) struct ExecState(NonNull<bindings::task_exec_state>);

impl ExecState {
    /// Makes one for the user namespace of the running task's. Mirrors `task_exec_state_copy()`, save
    /// that what may change meanwhile is copied by [`install`](Self::install). Fails with `ENOMEM`.
    pub(crate) fn dup(current: &Current) -> Result<Self> {
        // SAFETY: Only the task itself replaces its `exec_state`, whose `user_ns` never changes.
        let exec_state = unsafe {
            let old = unshare_exec_state(current.as_ptr());
            unshare_alloc_task_exec_state(unshare_exec_state_user_ns(old))
        };
        // INVARIANT: A new one has one reference, which is this value's.
        NonNull::new(exec_state).map(Self).ok_or(ENOMEM)
    }

    /// Gives it to the task; `self` owns the old one afterwards.
    ///
    /// A sharer may have forbidden dumps since [`dup`](Self::dup): the task gets what holds now.
    pub(crate) fn install(&mut self, lock: &mut TaskLock<'_>, _update: &ExecUpdate<'_>) {
        let task = lock.as_ptr();
        // SAFETY: The task and its `exec_update_lock` are locked; the two references change hands.
        let old = unsafe {
            unshare_copy_dumpable(self.0.as_ptr(), unshare_exec_state(task));
            unshare_task_exec_state_replace(task, self.0.as_ptr())
        };
        // SAFETY: A task has an `exec_state` from the fork on.
        self.0 = unsafe { NonNull::new_unchecked(old) };
    }
}

impl Drop for ExecState {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the reference is ours to give back.
        unsafe { unshare_put_task_exec_state(self.0.as_ptr()) };
    }
}

/// The running task with its `exec_update_lock` held for writing.
///
/// Those who look at the memory or the credentials of another task hold it for reading.
pub(crate) struct ExecUpdate<'a>(&'a Current);

impl<'a> ExecUpdate<'a> {
    /// Takes the lock within the time that [`Patience`] has. Fails with `EINTR` on a deadly signal, and
    /// with `EBUSY` when the time is over.
    ///
    /// A reader may keep the lock for as long as it likes: `proc_ns_readlink()` copies to user memory
    /// under it, and that memory may be FUSE's or userfaultfd's.
    pub(crate) fn lock_in_time(current: &'a Current) -> Result<Self> {
        Self::lock(current, &mut Patience::new())
    }

    /// The same, within what is left of the time.
    pub(super) fn lock(current: &'a Current, patience: &mut Patience) -> Result<Self> {
        // SAFETY: The task runs, and has a `signal_struct`.
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
