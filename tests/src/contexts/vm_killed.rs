// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`, and a SIGKILL. It is what can end a caller half way: only its own threads call
//! exit_group for it, and one that has threads is refused before anything is copied.

use std::sync::atomic::Ordering::Relaxed;
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::mm::{MapFlags, MprotectFlags, mprotect};
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use unshare_device::Contexts;

use super::vm::{SIGHAND, VM};
use super::vm_request::reader;
use crate::child::Child;
use crate::device::{Device, unshare};
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Mapping, Page};
use crate::memory::{marked, unmarked};
use crate::scale::{dice, limit, rounds};
use crate::sharer::Sharer;
use crate::slab::leaves_nothing;
use crate::tally::{Tried, tried};
use crate::vfork::vfork;

const SOON: Duration = Duration::from_secs(20);

pub(crate) fn suite() -> Suite {
    Suite::new("vm_killed")
        .slow("at any moment: nothing is left over", limit(), any_moment)
        .slow(
            "during a long copy: nothing is left over, and the parent goes on",
            limit(),
            during_copy,
        )
}

/// A task that has another one leave its memory all the time.
fn busy(page: &Page) -> Result<String> {
    let device = Device::open()?;
    loop {
        let _sharer = Sharer::new(VM | SIGHAND)?;
        let reply = device.commit(unshare(VM | Contexts::FILES));
        ensure!(reply.errno.is_none(), "{reply:?}");
        page.word.fetch_add(1, Relaxed);
    }
}

fn any_moment() -> Result<()> {
    // The victims' sharers come here, to be killed and reaped with them.
    set_child_subreaper(Some(getpid()))?;
    let mut dice = dice("killed at any moment");
    let mailbox = Mailbox::new()?;
    let page = mailbox.page();
    let _reader = reader()?;
    let times = rounds(40, 2000);
    leaves_nothing(times, times, || {
        let before = page.word.load(Relaxed);
        tried(Tried::Race);
        let victim = Child::spawn(|| busy(page))?;
        let start = Instant::now();
        while page.word.load(Relaxed) == before {
            ensure!(start.elapsed() < SOON, "it never starts");
            yield_now();
        }
        sleep(Duration::from_micros(dice.u64(..20_000)));
        kill_process(victim.pid, Signal::KILL)?;
        victim.killed(SOON)
    })
}

/// 64 MiB in many mappings: between any two of them a copy looks for a deadly signal.
fn large() -> Result<Mapping> {
    const MEBIBYTE: usize = 1 << 20;
    let memory = marked(64 << 8, 1, MapFlags::PRIVATE)?;
    for part in (1..64).step_by(2) {
        let start = memory.start().wrapping_byte_add(part * MEBIBYTE);
        // SAFETY: It is only read from now on.
        unsafe { mprotect(start, MEBIBYTE, MprotectFlags::READ)? };
    }
    Ok(memory)
}

/// Kills each task that puts its number into the page, at some time `within` that.
fn kill_each(page: &Page, within: Duration) -> Result<String> {
    let mut dice = dice("killed during a copy");
    let mut last = 0;
    loop {
        let victim = page.word.load(Relaxed);
        if victim == last {
            yield_now();
            continue;
        }
        last = victim;
        sleep(within.mul_f64(dice.f64()));
        if let Some(victim) = Pid::from_raw(victim.try_into()?) {
            kill_process(victim, Signal::KILL)?;
        }
    }
}

const COPYING: u32 = 1;
const LEFT: u32 = 2;

/// A vfork child leaves this task's memory, and is killed before, at, or after the commit.
fn copy_and_die(device: &Device, page: &Page) -> Result<()> {
    page.post(COPYING, "");
    let child = vfork(VM, || {
        page.word
            .store(getpid().as_raw_nonzero().get().try_into()?, Relaxed);
        let reply = device.commit(unshare(VM));
        ensure!(reply.replaced == VM, "{reply:?}");
        page.post(LEFT, "");
        sleep(SOON);
        Ok(String::new())
    })?;
    child.killed(SOON)
}

fn during_copy() -> Result<()> {
    let memory = large()?;
    let device = Device::open()?;
    let start = Instant::now();
    let unharmed = vfork(VM, || {
        let reply = device.commit(unshare(VM));
        ensure!(reply.replaced == VM, "{reply:?}");
        Ok(String::new())
    })?;
    let copying = start.elapsed();
    unharmed.report(SOON)?;

    let mailbox = Mailbox::new()?;
    let page = mailbox.page();
    let _killer = Child::spawn(|| kill_each(page, copying))?;
    let (mut half_way, mut whole) = (0_u32, 0_u32);
    let times = rounds(40, 2000);
    leaves_nothing(times, times, || {
        tried(Tried::Race);
        copy_and_die(&device, page)?;
        match page.state() {
            COPYING => half_way += 1,
            _ => whole += 1,
        }
        ensure!(unmarked(&memory, 1) == 0, "the parent lost pages");
        Ok(())
    })?;
    eprintln!("killed {half_way} times before the commit, {whole} times after it");
    ensure!(half_way > 0, "no signal came during a copy");
    Ok(())
}
