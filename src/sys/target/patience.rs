// SPDX-License-Identifier: GPL-2.0

//! How long a request waits for another task.
//!
//! The only wait for another task that attaching has:
//!
//! - for whom: the target, which executes a program ([`super::access`]) or is inside a system call
//!   that changes its context piece by piece ([`super::rest`]). No other task is waited for.
//! - holding what: references to the `struct pid` alone. The looks at the target are tries, and what
//!   they held is released before the next pause: first the target's locks, then the references that
//!   did not belong together. If such a reference was the last one, its put may sleep, as after
//!   setns(2), and the limit does not count that; no lock is held. Nothing of the request is prepared
//!   yet, so nothing grows stale.
//! - who can make it last: the target, by staying where it is.
//! - what ends it: the target's next step, a deadly signal (`EINTR`), or the limit (`EBUSY`). Each
//!   pause is a timer of ours and needs no other task to run. Nothing is queued on the target that
//!   could outlive this module.
//!
//! What was taken may be on a file system whose server is another task: FUSE, NFS. It is asked for
//! permission to enter the directories ([`super::install`]), as by chdir(2), and may let the request wait
//! for as long as it likes. Nothing of the target is locked then.
//!
//! [`crate::sys::mm::ExecUpdate::lock_in_time`] has the same limit for those who look into the running
//! task. It waits with the request prepared: nothing of that is another task's to change.

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

/// The limit that the manual names, in nanoseconds.
const LIMIT: i64 = 1_000_000_000;

/// The first pause, and the longest, in microseconds.
const PAUSES: (i64, i64) = (10, 500);

/// How many looks follow a pause. Between two of them, the target is interrupted: one that does little
/// but change its context is seldom found in user mode.
const LOOKS: u32 = 8;

/// How long an interrupt takes to get to another processor, in microseconds.
const ARRIVAL: i64 = 3;

/// What is left of the time for one target.
pub(in crate::sys) struct Patience {
    /// When the first wait began, in nanoseconds of the monotonic clock. `Instant::elapsed()` of the `kernel`
    /// crate would check for an overflow and panic.
    since: Option<i64>,
    pause: i64,
    looks: u32,
}

impl Patience {
    pub(in crate::sys) fn new() -> Self {
        Self {
            since: None,
            pause: PAUSES.0,
            looks: LOOKS,
        }
    }

    /// Gives the target time for its next step: `task`, if it is inside a call.
    ///
    /// Fails with `EINTR` after a deadly signal, and with `EBUSY` when the limit is over.
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
            // A task in user mode keeps the number of its last system call until it enters the
            // kernel again, which this interrupt makes it do.
            // SAFETY: The task is borrowed.
            unsafe { bindings::kick_process(task.as_ptr()) };
            udelay(Delta::from_micros(ARRIVAL));
        }
        Ok(())
    }
}

fn now() -> i64 {
    // SAFETY: Any task may read the clock.
    unsafe { bindings::ktime_get() }
}
