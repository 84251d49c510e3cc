// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: what stays in the old address space, and what the task takes along.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use rustix::mm::MapFlags;
use rustix::process::getpid;

use super::vm::{VM, leave};
use super::vm_child_tid::{SOON, leave_while, leave_world_while};
use super::vm_proc::prctl;
use crate::check::ensure;
use crate::device::{Device, checked, unshare};
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Mapping, Page};
use crate::memory::{PAGE, peek};
use crate::rseq;
use crate::world::World;

/// The offset of the id in a `struct rseq`. The kernel writes it even if the C library knows only
/// the first 20 bytes.
const MM_CID: isize = 24;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_leaving")
        .test(
            "a write to /proc/PID/coredump_filter during the request is not lost",
            coredump_filter_meanwhile,
        )
        .test("the robust futex list stays registered", robust_list)
        .test(
            "PR_SET_MDWE stays set, with and without PR_MDWE_NO_INHERIT",
            mdwe_stays,
        )
        .test(
            "a sharer's PR_SET_MDWE during the request binds the task",
            mdwe_meanwhile,
        )
        .slow(
            "rseq has the concurrency id of the copy at once",
            Duration::from_secs(30),
            rseq_at_once,
        )
        .slow(
            "rseq stays registered and shows the CPU in the copy",
            Duration::from_secs(30),
            rseq_stays,
        )
}

fn coredump_filter_meanwhile() -> Result<()> {
    let file = format!("/proc/{}/coredump_filter", getpid().as_raw_nonzero());
    fs::write(&file, "0x5")?;
    let _left = leave_while(0, || Ok(fs::write(&file, "0x2a")?))?;
    let filter = fs::read_to_string(&file)?;
    ensure!(filter.trim() == "0000002a", "{filter}");
    Ok(())
}

fn robust_head() -> Result<usize> {
    let (mut head, mut len) = (0_usize, 0_usize);
    // SAFETY: The kernel writes the two numbers.
    checked(unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) })?;
    Ok(head)
}

fn robust_list() -> Result<()> {
    let world = World::sharing(VM)?;
    let head = robust_head()?;
    leave(&world)?;
    ensure!(robust_head()? == head && head != 0);
    Ok(())
}

pub(crate) fn run_on(cpu: usize) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

fn rseq_stays() -> Result<()> {
    const CPU: isize = 4;
    if !rseq::is_registered() {
        return crate::child::skip("the C library does not use rseq");
    }
    let world = World::sharing(VM)?;
    let here = |offset| {
        // SAFETY: The kernel keeps it up to date while the thread lives.
        unsafe { rseq::word(offset).read_volatile() }
    };
    run_on(0)?;
    ensure!(here(CPU) == 0, "not registered before");
    leave(&world)?;
    for cpu in [1, 0, 1] {
        run_on(cpu)?;
        ensure!(here(CPU) == u32::try_from(cpu)?, "on {cpu}: {}", here(CPU));
    }
    ensure!(
        here(MM_CID) < 2,
        "concurrency id {} of one task",
        here(MM_CID)
    );
    // The upper half of 64 bits: `cpu_id`, as it was when the task left.
    let left = world.sharer.ask(peek, &rseq::word(0).addr().to_string())?;
    ensure!(
        left.parse::<u64>()? >> 32 == 0,
        "the old one is written: {left}"
    );
    Ok(())
}

/// A [`Question`](crate::sharer::Question): leaves the address space, and returns the concurrency
/// id before and after.
fn cids(_: &str) -> Result<String> {
    // The kernel writes the id only after a move to another processor.
    run_on(1)?;
    let device = Device::open()?;
    let own = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    rseq::register(own.start().cast())?;
    // SAFETY: The page is this function's, and the kernel writes to it.
    let cid = || unsafe {
        own.start()
            .byte_offset(MM_CID)
            .cast::<u32>()
            .read_volatile()
    };
    let before = cid();
    let reply = device.commit(unshare(VM));
    let after = cid();
    // The task continues, and the kernel would write to the missing page.
    std::mem::forget(own);
    World::ensure_reply(reply, VM)?;
    Ok(format!("{before} {after}"))
}

fn rseq_at_once() -> Result<()> {
    let world = World::sharing(VM)?;
    let cids = world.sharer.ask(cids, "")?;
    ensure!(
        cids == "1 0",
        "{cids}: the second of two tasks, and the only one"
    );
    Ok(())
}

fn mdwe_stays() -> Result<()> {
    const BOTH: u64 = 3;
    let world = World::sharing(VM)?;
    prctl(libc::PR_SET_MDWE, BOTH)?;
    leave(&world)?;
    let stays = prctl(libc::PR_GET_MDWE, 0)?;
    ensure!(u64::try_from(stays)? == BOTH, "{stays}");
    Ok(())
}

const ORDER: u32 = 1;
const DONE: u32 = 2;

/// A [`Question`](crate::sharer::Question): forbids memory that is written and executed when the page `arg`
/// orders it.
fn mdwe_by_order(arg: &str) -> Result<String> {
    let page: *const Page = std::ptr::without_provenance(arg.parse()?);
    // SAFETY: The asking task shares the memory, and keeps the page until it has the answer.
    let page = unsafe { &*page };
    page.wait(&[ORDER], SOON);
    prctl(libc::PR_SET_MDWE, 1)?;
    page.post(DONE, "");
    Ok(String::new())
}

fn mdwe_meanwhile() -> Result<()> {
    let mailbox = Mailbox::new()?;
    let page: *const Page = mailbox.page();
    let (world, ..) = leave_world_while(
        0,
        |world| world.sharer.begin(mdwe_by_order, &page.addr().to_string()),
        || {
            mailbox.page().post(ORDER, "");
            ensure!(mailbox.page().wait(&[DONE], SOON).is_some());
            Ok(())
        },
    )?;
    world.sharer.answer()?;
    let bound = prctl(libc::PR_GET_MDWE, 0)?;
    ensure!(bound == 1, "{bound}");
    Ok(())
}
