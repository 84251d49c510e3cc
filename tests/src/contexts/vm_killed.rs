// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM` and SIGKILL, the only thing that can end a caller half way: only a caller's own
//! thread calls exit_group for it, and a caller with threads is refused before anything is copied.

use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::mm::{Advice, MapFlags, MprotectFlags, mprotect};
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use rustix::thread::{CpuSet, sched_setaffinity};
use unshare_device::Contexts;

use super::vm::{SIGHAND, VM};
use super::vm_child_tid::promise_at;
use super::vm_request::reader;
use crate::check::{bail, ensure};
use crate::child::Child;
use crate::device::{COMMIT, Device, ioctl, unshare};
use crate::everything::PROCESS;
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Mapping, Page};
use crate::memory::{PAGE, marked, marked_as, name, unmarked};
use crate::perf::Records;
use crate::scale::{dice, limit, rounds};
use crate::sharer::Sharer;
use crate::slab::leaves_nothing;
use crate::tally::{Tried, tried};
use crate::userfaultfd::Userfaultfd;
use crate::vfork::vfork;

const SOON: Duration = Duration::from_secs(20);

pub(crate) fn suite() -> Suite {
    Suite::new("vm_killed")
        .slow("a kill at any moment leaks nothing", limit(), any_moment)
        .slow(
            "a kill during a long copy leaks nothing, and the parent goes on",
            limit(),
            during_copy,
        )
        .test("a kill between copy and commit commits nothing", after_copy)
        .slow(
            "a kill while the request waits for a lock changes nothing, with a shared fs",
            limit(),
            || waiting(PROCESS),
        )
        .slow(
            "a kill while the request waits for a lock changes nothing, with a private fs",
            limit(),
            || waiting(PROCESS.difference(Contexts::FS)),
        )
}

/// A task that makes another task leave its memory again and again.
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
    // The sharers of killed tasks become children of this task, which kills and reaps them.
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

/// 64 MiB in many mappings: a copy checks for a deadly signal between any two of them.
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

/// Kills each task that puts its PID into the page, at a random time up to `within` later.
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

const STARTED: u32 = 1;
const COPYING: u32 = 2;
const LEFT: u32 = 3;

/// A vfork child leaves this task's memory, and is killed before, during or after the commit.
fn copy_and_die(device: &Device, page: &Page) -> Result<()> {
    page.post(STARTED, "");
    let child = vfork(VM, || {
        page.word
            .store(getpid().as_raw_nonzero().get().try_into()?, Relaxed);
        page.post(COPYING, "");
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
    let mut round = || {
        tried(Tried::Race);
        copy_and_die(&device, page)?;
        match page.state() {
            STARTED => (),
            COPYING => half_way += 1,
            _ => whole += 1,
        }
        ensure!(unmarked(&memory, 1) == 0, "the parent lost pages");
        Ok(half_way > 0)
    };
    let times = rounds(30, 2000);
    leaves_nothing(times, times, || round().map(drop))?;
    // Until the test's time limit.
    while !round()? {}
    eprintln!("killed {half_way} times before the commit, {whole} times after it");
    Ok(())
}

/// A [`Question`](crate::sharer::Question): sets `clear_child_tid` to the address `arg`, and
/// leaves.
fn promise_and_leave(arg: &str) -> Result<String> {
    promise_at(std::ptr::without_provenance_mut(arg.parse()?));
    Ok(format!("{:?}", Device::open()?.commit(unshare(VM))))
}

/// Kills the task when it has its copy and waits for the page of the word. perf would report a
/// commit.
fn after_copy() -> Result<()> {
    let watcher = Userfaultfd::new(0)?;
    let word = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    watcher.register(&word)?;
    let victim = Sharer::new(VM)?;
    let records = Records::of(victim.pid.as_raw_nonzero().get())?;
    victim.begin(promise_and_leave, &name(word.start()));
    watcher.fault()?;
    kill_process(victim.pid, Signal::KILL)?;
    let end = victim.end(SOON)?;
    let killed = Some(Signal::KILL.as_raw());
    ensure!(end.terminating_signal() == killed, "{end:?}");
    let kinds = records.kinds()?;
    ensure!(kinds.is_empty(), "it has new contexts: {kinds:?}");
    Ok(())
}

/// A [`Question`](crate::sharer::Question): changes the protection of memory back and forth, so
/// that the address space is locked nearly all the time. `arg`: address and size of the memory.
fn protect_all_the_time(arg: &str) -> Result<String> {
    let (start, len) = arg.split_once(' ').context("two numbers")?;
    let start = std::ptr::without_provenance_mut(start.parse()?);
    let len = len.parse()?;
    let read_only = MprotectFlags::READ;
    loop {
        for access in [read_only, read_only | MprotectFlags::WRITE] {
            // SAFETY: No task writes to it.
            unsafe { mprotect(start, len, access)? };
        }
    }
}

/// A [`Question`](crate::sharer::Question): unshares everything that is shared, and something that
/// must be allocated before that, by the device `arg`.
fn leave_all(arg: &str) -> Result<String> {
    let mut args = unshare(PROCESS | Contexts::UTS);
    let refused = ioctl(arg.parse()?, COMMIT, (&raw mut args).cast());
    ensure!(refused.is_none(), "{refused:?}");
    Ok(String::new())
}

const KILLED: u32 = 4;

/// Kills the task whose PID is in the page when it waits for the memory that it copies. Runs
/// outside of that memory, where writing would wait, too.
fn kill_waiting(page: &Page) -> Result<String> {
    loop {
        let Some(victim) = Pid::from_raw(page.word.load(Relaxed).try_into()?) else {
            yield_now();
            continue;
        };
        let number = victim.as_raw_nonzero().get();
        let place = fs::read_to_string(format!("/proc/{number}/wchan"));
        // If the compiler has inlined the one function into the other, the other's name shows.
        let places = ["dup_mmap", "mmap_write_lock_killable"];
        let waits = place.is_ok_and(|place| places.contains(&&*place));
        // The PID is taken: the other side reaps the task only after it was killed.
        if waits && take(page, number)? {
            kill_process(victim, Signal::KILL)?;
            page.post(KILLED, "");
        }
    }
}

/// Takes the task's PID out of the page, unless the other side has done so.
fn take(page: &Page, task: i32) -> Result<bool> {
    let taken = page
        .word
        .compare_exchange(task.try_into()?, 0, Relaxed, Relaxed);
    Ok(taken.is_ok())
}

/// Makes tasks leave that may have to wait, until one of them is killed while it waits.
fn until_killed(shared: Contexts, device: &str, page: &Page) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < 3 * SOON {
        page.post(STARTED, "");
        let victim = Sharer::new(shared)?;
        victim.begin(leave_all, device);
        let number = victim.pid.as_raw_nonzero().get();
        page.word.store(number.try_into()?, Relaxed);
        while !victim.is_through() && page.word.load(Relaxed) != 0 {
            sleep(Duration::from_micros(200));
        }
        if take(page, number)? {
            victim.answer()?;
            continue;
        }
        ensure!(page.wait(&[KILLED], SOON).is_some(), "who kills is late");
        // It may have finished between the other side's look and the signal.
        let was_through = victim.is_through();
        let end = victim.end(SOON)?;
        ensure!(
            end.terminating_signal() == Some(Signal::KILL.as_raw()),
            "{end:?}"
        );
        if !was_through {
            return Ok(());
        }
    }
    bail!("none ever waits");
}

fn waiting(shared: Contexts) -> Result<()> {
    let device = Device::open()?;
    let number = device.number().to_string();
    let mailbox = Mailbox::new()?;
    let page = mailbox.page();
    let killer = Child::spawn(|| kill_waiting(page))?;
    // On two processors, the task waits for the lock actively. On one processor, it is interrupted
    // while the lock is held.
    let mut one = CpuSet::new();
    one.set(0);
    sched_setaffinity(None, &one)?;
    // With small pages, changing the protection takes a while. A kernel that rejects the advice has
    // only small pages.
    let memory = marked_as(32 << 8, 1, Advice::LinuxNoHugepage)
        .or_else(|_| marked(8 << 8, 1, MapFlags::PRIVATE))?;
    let place = format!("{} {}", memory.start().addr(), memory.len());
    let holder = Sharer::new(VM)?;
    holder.begin(protect_all_the_time, &place);
    let times = rounds(16, 500);
    let outcome = leaves_nothing(times, times / 2, || {
        tried(Tried::Race);
        until_killed(shared, &number, page)?;
        ensure!(unmarked(&memory, 1) == 0, "the others lost pages");
        Ok(())
    });
    // If it has ended, this is the reason.
    killer.stop()?;
    outcome
}
