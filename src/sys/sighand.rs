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

/// A reference to a `struct sighand_struct`.
///
/// # Invariants
///
/// Owns one count of the structure.
pub(crate) struct Sighand(NonNull<bindings::sighand_struct>);

impl Sighand {
    /// Makes room for handlers. Fails with `ENOMEM`.
    pub(crate) fn alloc() -> Result<Self> {
        // SAFETY: Reached only where the kernel's cache was found.
        let sighand = NonNull::new(unsafe { unshare_alloc_sighand() }).ok_or(ENOMEM)?;
        // SAFETY: It is new; the cache's constructor has set up its lock.
        unsafe { unshare_begin_sighand(sighand.as_ptr()) };
        // INVARIANT: A new structure has one count, which is this value's.
        Ok(Self(sighand))
    }

    /// Copies the task's handlers and gives it the copy; `self` owns the old one afterwards.
    ///
    /// Mirrors `unshare_sighand()` of `fs/exec.c`. The handlers are copied under the lock that guards them,
    /// so that a signal that another task sends meanwhile finds the old ones or the new ones, which are the
    /// same. The locks that it takes, `tasklist_lock` and inside of it `siglock`, must not be taken inside
    /// of `task_lock`.
    pub(crate) fn install(&mut self, current: &Current) {
        let (task, new) = (current.as_ptr(), self.0.as_ptr());
        let tasklist = TasklistWrite::lock();
        // SAFETY: The task runs, and owns a count of its handlers as `self` does of the new ones: the two
        // change hands. The old ones, and with them their lock, stay valid by that count.
        let old = unsafe {
            let old = unshare_task_sighand(task);
            let siglock: &Lock<(), SpinLockBackend> = Lock::from_raw(unshare_siglock(old));
            let _siglock = siglock.lock();
            unshare_copy_actions(new, old);
            unshare_set_task_sighand(task, new);
            old
        };
        drop(tasklist);
        // SAFETY: A task that runs has handlers.
        self.0 = unsafe { NonNull::new_unchecked(old) };
    }
}

impl Drop for Sighand {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the count is ours to give back.
        unsafe { unshare___cleanup_sighand(self.0.as_ptr()) };
    }
}

/// `tasklist_lock`, held for writing, with interrupts off.
struct TasklistWrite(NotThreadSafe);

impl TasklistWrite {
    fn lock() -> Self {
        // SAFETY: Reached only where the kernel's variable was found, with no spinlock held.
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
