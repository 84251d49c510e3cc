// SPDX-License-Identifier: GPL-2.0-only

//! The processor's own counter, which counts instructions on the counting machine.

use std::arch::asm;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_mm_lfence, _rdtsc};
use std::time::{Duration, Instant};

/// The counter's frequency, for results in nanoseconds.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    per_microsecond: f64,
}

impl Clock {
    /// Compares the counter with the clock for a moment.
    pub(super) fn new() -> Self {
        let (start, begun) = (Instant::now(), now());
        while start.elapsed() < Duration::from_millis(5) {}
        let counted = now() - begun;
        Self {
            per_microsecond: counted as f64 / start.elapsed().as_secs_f64() / 1e6,
        }
    }

    /// Converts counts to nanoseconds. On the counting machine, one instruction is one nanosecond.
    pub(super) fn nanoseconds(self, counts: u64) -> u64 {
        (counts as f64 * 1e3 / self.per_microsecond).round() as u64
    }
}

/// Returns what `work` takes, and its result.
#[inline(always)]
pub(super) fn count<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let begun = now();
    let result = work();
    let ended = now();
    (ended - begun, result)
}

/// Whether the counter counts instructions: each further round of a loop of two instructions then
/// takes exactly two more.
pub(super) fn counts() -> bool {
    const ROUNDS: u64 = 10_000;
    let of_loop = |rounds: u64| {
        count(|| {
            // SAFETY: A loop that counts a register down to zero.
            #[cfg(target_arch = "x86_64")]
            unsafe {
                asm!("2:", "dec {0}", "jnz 2b", inout(reg) rounds => _)
            }
            // SAFETY: As above.
            #[cfg(target_arch = "aarch64")]
            unsafe {
                asm!("2:", "subs {0}, {0}, #1", "b.ne 2b", inout(reg) rounds => _)
            }
        })
    };
    // The same code twice, so that the instructions around the loop cancel out.
    let least = |rounds| (0..3).map(|_| of_loop(rounds).0).min();
    matches!((least(1), least(1 + ROUNDS)), (Some(one), Some(all)) if all - one == 2 * ROUNDS)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn now() -> u64 {
    // SAFETY: Each processor of this architecture has the counter, and Linux lets programs read it.
    unsafe {
        _mm_lfence();
        let now = _rdtsc();
        _mm_lfence();
        now
    }
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn now() -> u64 {
    let now;
    // SAFETY: Each processor of this architecture has the counter, and Linux lets programs read it.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", "isb", out(reg) now, options(nostack, nomem)) };
    now
}
