// SPDX-License-Identifier: GPL-2.0

//! The address space, and what goes with it.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h).

use core::ptr::NonNull;
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

use super::{
    bindings::*,
    task::{
        Current,
        TaskLock, //
    },
};

/// A reference to an address space with users.
///
/// # Invariants
///
/// Owns one count of `mm_users`.
pub(crate) struct Mm(NonNull<bindings::mm_struct>);

impl Mm {
    /// Copies the address space of the running task.
    ///
    /// Mirrors `dup_mm()`. Fails with `ENOMEM`, and with `EINTR` on a deadly signal.
    pub(crate) fn dup(current: &Current) -> Result<Self> {
        // SAFETY: The task runs, and has an address space, since an ioctl came from there.
        let mm = unsafe { unshare_dup_mm(current.as_ptr()) };
        // INVARIANT: A new address space has one user, which is this value.
        NonNull::new(from_err_ptr(mm)?).map(Self).ok_or(ENOMEM)
    }

    /// Moves the task into the address space; `self` owns the old one afterwards.
    pub(crate) fn install(&mut self, lock: &mut TaskLock<'_>) {
        // SAFETY: The task is locked, and is a user of its address space as `self` is of the new
        // one: the two change hands. Nothing of ours points into user memory.
        let old = unsafe { unshare_mm_install(lock.as_ptr(), self.0.as_ptr()) };
        // SAFETY: The task had an address space.
        self.0 = unsafe { NonNull::new_unchecked(old) };
    }

    /// Settles the accounts of an address space that the task has left.
    ///
    /// Mirrors what `exec_mm_put_old()` does before it puts it.
    pub(crate) fn left_by(&self, current: &Current) {
        // SAFETY: By the type invariant, the address space has a user.
        unsafe { unshare_mm_left(current.as_ptr(), self.0.as_ptr()) };
    }
}

impl Drop for Mm {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the count is ours to give back.
        unsafe { bindings::mmput(self.0.as_ptr()) };
    }
}

/// Whether and for whom a task may be traced and dumped, which is shared as the address space is.
///
/// # Invariants
///
/// Owns one reference.
pub(crate) struct ExecState(NonNull<bindings::task_exec_state>);

impl ExecState {
    /// Copies that of the running task. Mirrors `task_exec_state_copy()`. Fails with `ENOMEM`.
    pub(crate) fn dup(current: &Current) -> Result<Self> {
        // SAFETY: Only the task itself replaces its `exec_state`.
        let exec_state = unsafe { unshare_dup_exec_state(current.as_ptr()) };
        // INVARIANT: A new one has one reference, which is this value's.
        NonNull::new(exec_state).map(Self).ok_or(ENOMEM)
    }

    /// Gives it to the task; `self` owns the old one afterwards.
    pub(crate) fn install(&mut self, lock: &mut TaskLock<'_>, _update: &ExecUpdate<'_>) {
        // SAFETY: The task and its `exec_update_lock` are locked; the two references change hands.
        let old = unsafe { unshare_exec_state_install(lock.as_ptr(), self.0.as_ptr()) };
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
    /// Takes the lock. Fails with `EINTR` on a deadly signal.
    pub(crate) fn lock(current: &'a Current) -> Result<Self> {
        // SAFETY: The task runs, and has a `signal_struct`.
        to_result(unsafe { unshare_lock_exec_update(current.as_ptr()) })?;
        Ok(Self(current))
    }
}

impl Drop for ExecUpdate<'_> {
    fn drop(&mut self) {
        // SAFETY: The value exists only while the lock is held.
        unsafe { unshare_unlock_exec_update(self.0.as_ptr()) };
    }
}

/// The running task while nobody waits for a PI futex that it holds, and who comes to wait is held up.
///
/// Mirrors `futex_cleanup_begin()` and, when dropped, `futex_exec_done()`.
pub(crate) struct NoPiWaiters<'a>(&'a Current);

impl<'a> NoPiWaiters<'a> {
    /// Holds up who comes. Fails with `EBUSY` when somebody waits already.
    pub(crate) fn hold_up(current: &'a Current) -> Result<Self> {
        // SAFETY: The task runs, and does nothing with futexes now.
        if unsafe { unshare_futex_begin(current.as_ptr()) } {
            Ok(Self(current))
        } else {
            Err(EBUSY)
        }
    }
}

impl Drop for NoPiWaiters<'_> {
    fn drop(&mut self) {
        // SAFETY: The value exists only while others are held up, and by the task alone.
        unsafe { unshare_futex_end(self.0.as_ptr()) };
    }
}

/// Returns whether something ties the task to its address space that no copy would have: a page of
/// uprobes, a PASID in a register, or user events.
pub(crate) fn is_bound(current: &Current) -> bool {
    // SAFETY: The task runs, and only it changes its `utask`, `pasid_activated` and `user_event_mm`.
    unsafe { unshare_is_bound_to_mm(current.as_ptr()) }
}

/// Has the page in place that the task promised to clear a word in when it leaves.
///
/// Who handles the fault may want a look at the memory of the task, and so does it before that
/// is locked.
pub(crate) fn fault_in_child_tid(current: &Current) {
    // SAFETY: The task runs, with nothing locked.
    unsafe { unshare_fault_in_child_tid(current.as_ptr()) };
}

/// Clears the word that the task promised to clear when it leaves, and wakes who waits for it.
///
/// Mirrors `mm_release()`.
pub(crate) fn clear_child_tid(current: &Current) {
    // SAFETY: The task runs in the address space that the word is in, and no lock is held that a
    // page fault could want, save `exec_update_lock`.
    unsafe { unshare_clear_child_tid(current.as_ptr()) };
}

/// Wakes the parent that waits for a vfork child. Mirrors `complete_vfork_done()`.
pub(crate) fn complete_vfork(current: &Current) {
    // SAFETY: The task runs.
    unsafe { unshare_complete_vfork(current.as_ptr()) };
}

/// The running task without a concurrency id, which belongs to an address space.
///
/// Mirrors `sched_mm_cid_before_execve()` and, when dropped, `sched_mm_cid_after_execve()` and
/// `rseq_force_update()`.
pub(crate) struct WithoutCid<'a>(&'a Current);

impl<'a> WithoutCid<'a> {
    pub(crate) fn leave(current: &'a Current) -> Self {
        // SAFETY: The task runs in its address space, with nothing locked.
        unsafe { unshare_mm_cid_leave(current.as_ptr()) };
        Self(current)
    }
}

impl Drop for WithoutCid<'_> {
    fn drop(&mut self) {
        // SAFETY: The task has given its id back, and runs with nothing locked.
        unsafe { unshare_mm_cid_join(self.0.as_ptr()) };
    }
}
