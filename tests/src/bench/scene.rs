// SPDX-License-Identifier: GPL-2.0-only

//! The state before a request, and the two ways to make it.

use std::ffi::c_long;
use std::fs::File;
use std::io;
use std::os::fd::IntoRawFd;
use std::ptr;

use anyhow::Result;
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use unshare_device::Contexts;

use super::image;
use crate::contexts::files::fill;
use crate::device::{Args, COMMIT, Device, checked, last_errno};
use crate::sharer::Sharer;

/// The descriptor of the device, in place of standard input, so that a task has three descriptors.
const DEVICE: i32 = 0;

/// Only the device and the descriptors for the results are open.
pub(super) fn bare() -> Result<()> {
    let device = Device::open()?;
    // SAFETY: No owner has standard input, and this child, which has inherited the others, uses
    // none of them again.
    unsafe {
        checked(libc::dup2(device.number(), DEVICE))?;
        let _ = device.into_raw_fd();
        checked(libc::close_range(3, u32::MAX, 0))?;
    }
    Ok(())
}

/// The same, and `contexts` are shared with one other task.
pub(super) fn shared(contexts: Contexts) -> impl Fn() -> Result<Option<Sharer>> {
    move || {
        bare()?;
        let share = !contexts.is_empty();
        share.then(|| Sharer::new(contexts)).transpose()
    }
}

/// Opens descriptors until there are `size`.
pub(super) fn open(size: i32) -> Result<()> {
    if size > 3 {
        let file = File::open("/proc/version")?;
        fill(&file, size)?;
        // The request may close it.
        let _ = file.into_raw_fd();
    }
    Ok(())
}

/// UNSHARE_IOC_COMMIT, as a program would make it.
#[inline(always)]
pub(super) fn commit(args: &mut Args) -> Result<(), Errno> {
    // SAFETY: `args` is what COMMIT takes. The scene was set for its effect on the task.
    done(unsafe { libc::syscall(libc::SYS_ioctl, DEVICE, COMMIT, &raw mut *args) })
}

/// unshare(2).
#[inline(always)]
pub(super) fn unshare(contexts: Contexts) -> Result<(), Errno> {
    // SAFETY: As above.
    done(unsafe { libc::syscall(libc::SYS_unshare, contexts.bits()) })
}

/// The outcome of a system call that returns only success or an error.
#[inline(always)]
pub(super) fn done(result: c_long) -> Result<(), Errno> {
    if result < 0 {
        Err(last_errno())
    } else {
        Ok(())
    }
}

/// Waits until the machine is idle, and keeps it so as far as a task can: the task is not
/// preempted, and the next tick of the clock is far away.
pub(super) fn settle() -> Result<()> {
    image::populate()?;
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: The parameters live across the call.
    checked(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const first) })?;
    sleep_past_tick()
}

fn sleep_past_tick() -> Result<()> {
    // In nanoseconds. Ticks are multiples of it since the boot.
    const TICK: i64 = 4_000_000;
    const SECOND: i64 = 1_000_000_000;
    let now = clock_gettime(ClockId::Monotonic);
    let now = now.tv_sec * SECOND + now.tv_nsec;
    let then = (now / TICK + 25) * TICK + TICK / 20;
    let then = libc::timespec {
        tv_sec: then / SECOND,
        tv_nsec: then % SECOND,
    };
    let (clock, absolute) = (libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME);
    // SAFETY: The time lives across the call, and the remaining time is not requested.
    match unsafe { libc::clock_nanosleep(clock, absolute, &raw const then, ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error).into()),
    }
}
