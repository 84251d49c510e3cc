// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_SIGHAND`: pending signals.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::io::Errno;
use rustix::process::getpid;

use super::sighand::{HANDLED, action, count, raise, set_some, world};
use super::vm::{SIGHAND, VM};
use crate::check::ensure;
use crate::child::Child;
use crate::device::{checked, unshare};
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Page};
use crate::scale::{limit, rounds};
use crate::sharer::Sharer;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("signals")
        .test("pending signals and the signal mask stay", pending)
        .slow(
            "during many requests, no signal is lost and none comes twice",
            limit(),
            storm,
        )
}

fn block(signal: i32, how: i32) -> Result<()> {
    // SAFETY: All zeroes are an empty set.
    let mut set: libc::sigset_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: The set is this function's own.
    checked(unsafe {
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(how, &raw const set, ptr::null_mut())
    })?;
    Ok(())
}

fn pending() -> Result<()> {
    set_some()?;
    let first = libc::SIGRTMIN() + 1;
    action(first, count as extern "C" fn(i32) as usize, 0, libc::SIGHUP)?;
    block(first, libc::SIG_BLOCK)?;
    block(libc::SIGUSR1, libc::SIG_BLOCK)?;
    let world = world()?;
    for _ in 0..5 {
        raise(first)?;
        raise(libc::SIGUSR1)?;
    }
    let reply = world.device.commit(unshare(VM | SIGHAND));
    world.ensure_replaced(reply, VM | SIGHAND)?;
    ensure!(HANDLED.load(Relaxed) == 0, "the mask was not kept");
    block(first, libc::SIG_UNBLOCK)?;
    block(libc::SIGUSR1, libc::SIG_UNBLOCK)?;
    // Real-time signals queue; the others do not.
    let handled = HANDLED.load(Relaxed);
    ensure!(handled == 6, "{handled} instead of 6");
    Ok(())
}

/// A child sends signals as fast as they are received, while this task changes from one table of
/// handlers to the next.
fn storm() -> Result<()> {
    let signal = libc::SIGRTMIN() + 2;
    let handler = count as extern "C" fn(i32) as usize;
    action(signal, handler, libc::SA_RESTART, signal)?;
    let world = World::alone()?;
    let mailbox = Mailbox::new()?;
    let page = mailbox.page();
    let caller = getpid().as_raw_nonzero().get();
    let sender = Child::spawn(|| send_until_told(caller, signal, page))?;
    let mut switches = 0;
    while switches < rounds(50, 5000) || HANDLED.load(Relaxed) < 1000 {
        // Each signal makes clone(2) start again.
        block(signal, libc::SIG_BLOCK)?;
        let _sharer = Sharer::new(VM | SIGHAND)?;
        block(signal, libc::SIG_UNBLOCK)?;
        let bits = [SIGHAND, VM | SIGHAND][switches % 2];
        let reply = world.device.commit(unshare(bits));
        world.ensure_replaced(reply, bits)?;
        switches += 1;
    }
    page.post(STOP, "");
    // Until the last one is sent, each signal interrupts the wait.
    block(signal, libc::SIG_BLOCK)?;
    let sent: u32 = sender.report(Duration::from_secs(60))?.parse()?;
    block(signal, libc::SIG_UNBLOCK)?;
    let end = Instant::now() + Duration::from_secs(20);
    while HANDLED.load(Relaxed) < sent && Instant::now() < end {
        std::thread::yield_now();
    }
    let handled = HANDLED.load(Relaxed);
    ensure!(
        handled == sent,
        "{handled} of {sent} after {switches} switches"
    );
    Ok(())
}

const STOP: u32 = 1;

/// Sends real-time signals, each of which is queued.
fn send_until_told(task: i32, signal: i32, page: &Page) -> Result<String> {
    let mut sent = 0_u32;
    while page.state() != STOP {
        let value = libc::sigval {
            sival_ptr: ptr::null_mut(),
        };
        let begun = Instant::now();
        // SAFETY: sigqueue(3) takes numbers only. A full queue is an error.
        match checked(unsafe { libc::sigqueue(task, signal, value) }) {
            Ok(_) => sent += 1,
            Err(Errno::AGAIN) => std::thread::yield_now(),
            Err(errno) => return Err(errno.into()),
        }
        // Leaves the receiver time for other work: receiving a signal takes several times as long
        // as sending one.
        let pause = begun.elapsed() * 10;
        std::thread::sleep(pause.clamp(Duration::from_micros(50), Duration::from_millis(2)));
    }
    Ok(sent.to_string())
}
