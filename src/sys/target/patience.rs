// SPDX-License-Identifier: GPL-2.0

//! How long a request waits for another task.
//!
//! This is the only wait for another task while attaching:
//!
//! - The request waits only for the target, which executes a program ([`super::access`]) or is
//!   inside a system call that changes its context step by step ([`super::rest`]); in 7.2, also for
//!   a task that shares its `fs_struct` and is inside setns(2), and in 7.3 for PID 1, if that is
//!   leaving the `fs_struct`.
//! - While it waits, the request holds only a reference to the `struct pid`. It tries the target's
//!   locks, and unlocks them before each pause. Then it puts the references that did not belong
//!   together. If one was the last reference, its put may sleep, as after setns(2): the limit does
//!   not include that, and no lock is held. Nothing is prepared yet that could become stale.
//! - The target can prolong the wait by staying where it is.
//! - The wait ends with the target's next step, a fatal signal (`EINTR`), or the limit (`EBUSY`). A
//!   pause is a busy wait or a timer, and depends on no other task. Nothing is queued on the target.
//!
//! Directories that were taken may be on a file system that another task or host serves (FUSE,
//! NFS). That server is asked for permission to enter them ([`super::install`]), as by chdir(2),
//! and may delay the request without limit. No lock of the target is held then.
//!
//! [`crate::sys::mm::ExecUpdate::lock_in_time`] uses the same limit while it waits for the readers
//! of the running task. What the request has prepared then, no other task can change.

use kernel::{
    bindings,
    prelude::*,
    task::Task,
    time::{
        delay::{
            fsleep,
            udelay, //
        },
        Delta, //
    },
};

use crate::sys::task::Current;

/// The limit, in nanoseconds. The manual documents it.
const LIMIT: i64 = 1_000_000_000;

/// The first pause, and the longest, in microseconds.
const PAUSES: (i64, i64) = (10, 500);

/// How many times the request looks at the target before it pauses. The target is interrupted
/// before each look, because a task that does little but change its context is seldom in user mode.
const LOOKS: u32 = 8;

/// How long an interrupt takes to get to another processor, in microseconds.
const ARRIVAL: i64 = 3;

/// The time that is left for one target.
pub(in crate::sys) struct Patience {
    /// The begin of the first wait, in nanoseconds of the monotonic clock. `Instant::elapsed()` of the `kernel`
    /// crate has an overflow check that panics.
    since: Option<i64>,
    pause: i64,
    looks: u32,
}

impl Patience {
    /// Starts with all of the time.
    pub(in crate::sys) fn new() -> Self {
        Self {
            since: None,
            pause: PAUSES.0,
            looks: LOOKS,
        }
    }

    /// Lets the target proceed, then returns. Interrupts `task` if it is in user mode. Fails with
    /// `EINTR` if a fatal signal is pending, and with `EBUSY` if the limit is exceeded.
    pub(in crate::sys) fn wait(&mut self, current: &Current, task: Option<&Task>) -> Result {
        if current.is_killed() {
            return Err(EINTR);
        }
        let now = now();
        if now.wrapping_sub(*self.since.get_or_insert(now)) >= LIMIT {
            return Err(EBUSY);
        }
        self.looks = self.looks.saturating_sub(1);
        if task.is_none() || self.looks == 0 {
            fsleep(Delta::from_micros(self.pause));
            self.pause = PAUSES.1.min(self.pause.saturating_mul(2));
            self.looks = LOOKS;
        }
        if let Some(task) = task {
            // A task in user mode keeps the number of its last system call in its registers until
            // it enters the kernel again. This interrupt makes it enter.
            // SAFETY: The task is borrowed.
            unsafe { bindings::kick_process(task.as_ptr()) };
            udelay(Delta::from_micros(ARRIVAL));
        }
        Ok(())
    }
}

fn now() -> i64 {
    // SAFETY: The function has no requirements.
    unsafe { bindings::ktime_get() }
}
