// SPDX-License-Identifier: GPL-2.0

//! Waiters for the PI futexes of the running task.

use kernel::prelude::*;

use crate::sys::task::Current;

#[cfg(CONFIG_FUTEX)]
use crate::sys::bindings::*;
#[cfg(CONFIG_FUTEX)]
use kernel::sync::lock::{
    mutex::MutexBackend,
    Guard,
    Lock, //
};

/// The running task while no task waits for a PI futex that it holds. A task that begins to wait
/// sleeps on `exit_mutex` until this is dropped, and then retries.
///
/// Mirrors `futex_cleanup_begin()` and, when dropped, `futex_exec_done()` and the unlock in
/// `futex_cleanup_end()`, after the store to `task->mm`.
pub(crate) struct NoPiWaiters<'a> {
    // Dropped in this order.
    #[cfg(CONFIG_FUTEX)]
    _state: Exiting<'a>,
    #[cfg(CONFIG_FUTEX)]
    _exit_mutex: Guard<'a, (), MutexBackend>,
    #[cfg(not(CONFIG_FUTEX))]
    _current: &'a Current,
}

#[cfg(CONFIG_FUTEX)]
impl<'a> NoPiWaiters<'a> {
    /// Holds up new waiters. Fails with `EBUSY` if a task waits already: when the running task
    /// exits and releases the futex, the kernel would look for it in the wrong address space.
    ///
    /// Waits only for tasks that have just seen the running task exit or leave: they take and
    /// release `exit_mutex`, and do nothing under it (`wait_for_owner_exiting()`).
    pub(crate) fn hold_up(current: &'a Current) -> Result<Self> {
        // SAFETY: `current` keeps the task and its `exit_mutex` valid.
        let mutex: &Lock<(), MutexBackend> =
            unsafe { Lock::from_raw(unshare_futex_exit_mutex(current.as_ptr())) };
        let _exit_mutex = mutex.lock();
        let _pi_lock = PiLock::lock(current);
        // SAFETY: The two locks that guard the task's list and state are held.
        unsafe {
            if unshare_has_pi_states(current.as_ptr()) {
                return Err(EBUSY);
            }
            unshare_set_futex_exiting(current.as_ptr());
        }
        drop(_pi_lock);
        Ok(Self {
            _state: Exiting(current),
            _exit_mutex,
        })
    }
}

#[cfg(not(CONFIG_FUTEX))]
impl<'a> NoPiWaiters<'a> {
    /// Does nothing: the kernel has no futexes.
    pub(crate) fn hold_up(current: &'a Current) -> Result<Self> {
        Ok(Self { _current: current })
    }
}

/// The task's futex state is `FUTEX_STATE_EXITING`. When dropped, it becomes `FUTEX_STATE_OK`.
#[cfg(CONFIG_FUTEX)]
struct Exiting<'a>(&'a Current);

#[cfg(CONFIG_FUTEX)]
impl Drop for Exiting<'_> {
    fn drop(&mut self) {
        let _pi_lock = PiLock::lock(self.0);
        // SAFETY: `pi_lock` guards the state.
        unsafe { unshare_set_futex_ok(self.0.as_ptr()) };
    }
}

/// A held `pi_lock`, with interrupts off. The `kernel` crate has no guard for a raw spinlock.
#[cfg(CONFIG_FUTEX)]
struct PiLock<'a>(&'a Current);

#[cfg(CONFIG_FUTEX)]
impl<'a> PiLock<'a> {
    fn lock(current: &'a Current) -> Self {
        // SAFETY: Interrupts are on, and the lock is not held.
        unsafe { unshare_lock_pi(current.as_ptr()) };
        Self(current)
    }
}

#[cfg(CONFIG_FUTEX)]
impl Drop for PiLock<'_> {
    fn drop(&mut self) {
        // SAFETY: The value exists only while the lock is held.
        unsafe { unshare_unlock_pi(self.0.as_ptr()) };
    }
}
