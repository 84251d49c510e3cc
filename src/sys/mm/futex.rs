// SPDX-License-Identifier: GPL-2.0

//! Waiters for the PI futexes of a task.

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

/// The running task while nobody waits for a PI futex that it holds, and whoever comes to wait sleeps on
/// `exit_mutex` until this is dropped, and then looks again.
///
/// Mirrors `futex_cleanup_begin()` and, when dropped, `futex_exec_done()` with the end of
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
    /// Holds up whoever comes. Fails with `EBUSY` when somebody waits already: the kernel would look for
    /// the futex in the wrong address space when the task ends and releases it.
    ///
    /// Waits for whoever holds `exit_mutex`: tasks that have just seen the task exit or leave, which
    /// take and release it, and do nothing else with it (`wait_for_owner_exiting()`).
    pub(crate) fn hold_up(current: &'a Current) -> Result<Self> {
        // SAFETY: The task and with it its `exit_mutex` stay valid for as long as `current`.
        let mutex: &Lock<(), MutexBackend> =
            unsafe { Lock::from_raw(unshare_futex_exit_mutex(current.as_ptr())) };
        let _exit_mutex = mutex.lock();
        let _pi_lock = PiLock::lock(current);
        // SAFETY: The task runs, with the two locks held that guard its list and its state.
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
    /// There are no futexes.
    pub(crate) fn hold_up(current: &'a Current) -> Result<Self> {
        Ok(Self { _current: current })
    }
}

/// The state of the task's futexes is `FUTEX_STATE_EXITING`; when dropped, it is `FUTEX_STATE_OK`.
#[cfg(CONFIG_FUTEX)]
struct Exiting<'a>(&'a Current);

#[cfg(CONFIG_FUTEX)]
impl Drop for Exiting<'_> {
    fn drop(&mut self) {
        let _pi_lock = PiLock::lock(self.0);
        // SAFETY: The lock is held that guards the state.
        unsafe { unshare_set_futex_ok(self.0.as_ptr()) };
    }
}

/// The `pi_lock` of the running task, with interrupts off. The `kernel` crate has no guard for a raw
/// spinlock.
#[cfg(CONFIG_FUTEX)]
struct PiLock<'a>(&'a Current);

#[cfg(CONFIG_FUTEX)]
impl<'a> PiLock<'a> {
    fn lock(current: &'a Current) -> Self {
        // SAFETY: The task runs, with interrupts on and without this lock.
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
