// SPDX-License-Identifier: GPL-2.0

//! The table of signal handlers.
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h).

use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*,
    sync::lock::{
        spinlock::SpinLockBackend,
        Lock, //
    },
    types::NotThreadSafe, //
};

use super::{
    bindings::*,
    task::Current, //
};

/// A reference to a `sighand_struct`.
///
/// # Invariants
///
/// Owns one reference.
pub(crate) struct Sighand(NonNull<bindings::sighand_struct>);

impl Sighand {
    /// Allocates a table, whose handlers [`install`](Self::install) fills in. Fails with `ENOMEM`.
    pub(crate) fn alloc() -> Result<Self> {
        // SAFETY: `CLONE_SIGHAND` is offered only if the kernel's slab cache was found.
        let sighand = NonNull::new(unsafe { unshare_alloc_sighand() }).ok_or(ENOMEM)?;
        // SAFETY: The table is new. The constructor of the slab cache has set up its lock.
        unsafe { unshare_begin_sighand(sighand.as_ptr()) };
        // INVARIANT: A new table has one reference, which moves to the value.
        Ok(Self(sighand))
    }

    /// Gives the task a copy of its handlers; `self` owns the old table afterwards.
    ///
    /// Mirrors `unshare_sighand()` of `fs/exec.c`. The handlers are copied under `siglock`, so that
    /// a signal that arrives meanwhile finds the old table or a complete copy. `tasklist_lock` and
    /// `siglock` must not be taken with `task_lock` held.
    pub(crate) fn install(&mut self, current: &Current) {
        let (task, new) = (current.as_ptr(), self.0.as_ptr());
        let tasklist = TasklistWrite::lock();
        // SAFETY: The running task owns a reference to the old table, and `self` one to the new
        // table. They are exchanged. The reference keeps the old table and its lock valid.
        let old = unsafe {
            let old = unshare_task_sighand(task);
            let siglock: &Lock<(), SpinLockBackend> = Lock::from_raw(unshare_siglock(old));
            let _siglock = siglock.lock();
            unshare_copy_actions(new, old);
            unshare_set_task_sighand(task, new);
            old
        };
        drop(tasklist);
        // SAFETY: A running task has a table.
        self.0 = unsafe { NonNull::new_unchecked(old) };
    }
}

impl Drop for Sighand {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `self` owns the reference.
        unsafe { unshare___cleanup_sighand(self.0.as_ptr()) };
    }
}

/// `tasklist_lock`, held for writing, with interrupts off.
struct TasklistWrite(NotThreadSafe);

impl TasklistWrite {
    fn lock() -> Self {
        // SAFETY: `CLONE_SIGHAND` is offered only if the lock was found. No spinlock is held.
        unsafe { unshare_write_lock_tasklist() };
        Self(NotThreadSafe)
    }
}

impl Drop for TasklistWrite {
    fn drop(&mut self) {
        // SAFETY: The value exists only while the lock is held.
        unsafe { unshare_write_unlock_tasklist() };
    }
}
