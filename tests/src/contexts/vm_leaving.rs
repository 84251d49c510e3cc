// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: what stays behind, and what goes along with the task that leaves.

use std::fs;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::{MemfdFlags, fstat, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect};
use rustix::process::getpid;
use rustix::thread::futex;
use unshare_device::Contexts;

use super::vm::{VM, leave};
use super::vm_observers::by_syscall;
use super::vm_proc::prctl;
use crate::child::Child;
use crate::device::{Device, checked, unshare};
use crate::dry_run::dry;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::mailbox::{Mailbox, Mapping};
use crate::memory::{PAGE, marked, name, peek, read, write};
use crate::rseq;
use crate::userfaultfd::Userfaultfd;
use crate::world::World;

/// Where the id is in a `struct rseq`. Written also where the C library knows of no more than the first 20 bytes.
const MM_CID: isize = 24;

pub(super) const SOON: Duration = Duration::from_secs(20);

pub(crate) fn suite() -> Suite {
    Suite::new("vm_leaving")
        .test(
            "clear_child_tid: cleared and woken where it was, unset here",
            child_tid,
        )
        .test(
            "clear_child_tid: not cleared by a request that fails",
            child_tid_stays,
        )
        .test("clear_child_tid: not written by a dry run", child_tid_dry)
        .test(
            "clear_child_tid: a dry run leaves a hole in a file where the word is",
            child_tid_hole,
        )
        .test(
            "clear_child_tid: who has its page ready may look at the task's memory first",
            child_tid_missing,
        )
        .test(
            "/proc/PID/coredump_filter: what is written after the copy was made is not lost",
            coredump_filter_meanwhile,
        )
        .test(
            "clear_child_tid: woken also where it cannot be written",
            child_tid_read_only,
        )
        .test("the robust list stays registered", robust_list)
        .test(
            "what PR_SET_MDWE has forbidden stays so, PR_MDWE_NO_INHERIT or not",
            mdwe_stays,
        )
        .slow(
            "rseq tells the concurrency id of the copy at once",
            Duration::from_secs(30),
            rseq_at_once,
        )
        .slow(
            "rseq stays registered, and tells the CPU in the copy",
            Duration::from_secs(30),
            rseq_stays,
        )
}

/// A word that is cleared when the task leaves.
fn promised_word() -> Result<Mapping> {
    let page = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    write(page.start(), 1);
    promise(&page);
    Ok(page)
}

/// Has the kernel clear the first word when the task leaves.
fn promise(page: &Mapping) {
    promise_at(page.start());
}

/// Has the kernel clear the word at an address when the task leaves.
pub(super) fn promise_at(word: *mut libc::c_void) {
    // SAFETY: The word outlives the promise: each test ends by the end of its task.
    unsafe { libc::syscall(libc::SYS_set_tid_address, word) };
}

/// The word's address, as the kernel has it.
fn promised() -> Result<usize> {
    let mut address = 0_usize;
    // SAFETY: The kernel writes one number.
    match checked(unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut address) }) {
        Err(Errno::INVAL) => crate::child::skip("this kernel does not tell the address"),
        outcome => Ok(outcome.map(|_| address)?),
    }
}

/// A [`Question`](crate::sharer::Question): sleeps while the word at the address `arg` is 1. Allocates
/// only once it has been woken.
fn wait_cleared(arg: &str) -> Result<String> {
    let word: *const AtomicU32 = std::ptr::without_provenance(arg.parse()?);
    // SAFETY: The word is mapped here for as long as the task lives.
    let word = unsafe { &*word };
    let limit = SOON.try_into()?;
    // Nobody wakes it but the kernel.
    match futex::wait(word, futex::Flags::empty(), 1, Some(&limit)) {
        Ok(()) => Ok("woken".to_owned()),
        other => Ok(format!("{other:?}, and the word is {}", word.load(Relaxed))),
    }
}

/// A [`Question`](crate::sharer::Question), of the witness: returns when a task sleeps at a futex.
/// Its pid and the address, in hexadecimal digits, are in `arg`.
fn sleeps_at(arg: &str) -> Result<String> {
    let (pid, address) = arg.split_once(' ').context("pid and address, please")?;
    let asleep = format!("{} {address} ", libc::SYS_futex);
    let start = Instant::now();
    loop {
        // "running", or the number of the call and its arguments.
        let call = fs::read_to_string(format!("/proc/{pid}/syscall"))?;
        if call.starts_with(&asleep) {
            return Ok(call);
        }
        ensure!(start.elapsed() < SOON, "it is in {call}");
        sleep(Duration::from_millis(10));
    }
}

/// Waits until the sharer sleeps at the futex at an address.
pub(super) fn asleep_at(world: &World, at: *mut libc::c_void) -> Result<()> {
    let sleeper = format!("{} {:#x}", world.sharer.pid.as_raw_nonzero(), at.addr());
    world.witness.ask(sleeps_at, &sleeper)?;
    Ok(())
}

fn child_tid() -> Result<()> {
    let page = promised_word()?;
    let world = World::sharing(VM)?;
    let at = name(page.start());
    world.sharer.begin(wait_cleared, &at);
    asleep_at(&world, page.start())?;
    let reply = world.device.commit(unshare(VM));
    world.ensure_replaced(reply, VM)?;
    let woken = world.sharer.answer()?;
    ensure!(woken == "woken", "{woken}");
    ensure!(world.sharer.ask(peek, &at)? == "0");
    ensure!(promised()? == 0, "still set in the copy");
    ensure!(read(page.start()) == 1, "cleared in the copy");
    Ok(())
}

fn child_tid_stays() -> Result<()> {
    let page = promised_word()?;
    let world = World::sharing(VM)?;
    let limit = Setting::sysctl("user/max_uts_namespaces", "0")?;
    world.refuses(unshare(VM | Contexts::UTS), Errno::NOSPC, Contexts::UTS)?;
    drop(limit);
    ensure!(read(page.start()) == 1);
    ensure!(promised()? == page.start().addr());
    Ok(())
}

fn child_tid_dry() -> Result<()> {
    let page = promised_word()?;
    write(page.start(), 0x1234);
    let world = World::sharing(VM)?;
    World::ensure_reply(world.device.commit(dry(unshare(VM))), VM)?;
    let word = read(page.start());
    ensure!(word == 0x1234, "{word:#x}");
    ensure!(promised()? == page.start().addr());
    Ok(())
}

fn child_tid_hole() -> Result<()> {
    let file = memfd_create("word", MemfdFlags::empty())?;
    ftruncate(&file, PAGE as u64)?;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: A new mapping overlays nothing.
    let word = unsafe { mmap(ptr::null_mut(), PAGE, access, MapFlags::SHARED, &file, 0)? };
    promise_at(word);
    let world = World::sharing(VM)?;
    World::ensure_reply(world.device.commit(dry(unshare(VM))), VM)?;
    ensure!(fstat(&file)?.st_blocks == 0, "the dry run has filled it");
    leave(&world)?;
    ensure!(fstat(&file)?.st_blocks != 0, "the word was not written");
    Ok(())
}

/// Leaves the address space, while another task does something between the copy and the move: it answers
/// the page fault at the promised word. Returns the world, and the page of the word.
fn leave_while(meanwhile: impl FnOnce() -> Result<()>) -> Result<(World, Mapping)> {
    let watcher = Userfaultfd::new(0)?;
    let page = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    let mailbox = Mailbox::new()?;
    let server = Child::spawn(|| {
        mailbox.page().wait(&[1], SOON);
        let address = watcher.fault()?;
        meanwhile()?;
        watcher.answer(address, u64::MAX)?;
        Ok(String::new())
    })?;
    watcher.register(&page)?;
    promise(&page);
    mailbox.page().post(1, "");
    let world = World::sharing(VM)?;
    leave(&world)?;
    server.report(SOON)?;
    Ok((world, page))
}

/// Whoever looks waits while the task moves; and the task must not wait for them then.
fn child_tid_missing() -> Result<()> {
    let memory = marked(1, 7, MapFlags::PRIVATE)?;
    let caller = getpid();
    let (world, page) = leave_while(|| {
        ensure!(by_syscall(caller, memory.start().addr())? == 7);
        Ok(())
    })?;
    // Of 64 bits the lower half is the promised word.
    let left = world.sharer.ask(peek, &name(page.start()))?;
    ensure!(left == (u64::MAX << 32).to_string(), "{left}");
    Ok(())
}

fn coredump_filter_meanwhile() -> Result<()> {
    let file = format!("/proc/{}/coredump_filter", getpid().as_raw_nonzero());
    fs::write(&file, "0x5")?;
    let _left = leave_while(|| Ok(fs::write(&file, "0x2a")?))?;
    let filter = fs::read_to_string(&file)?;
    ensure!(filter.trim() == "0000002a", "{filter}");
    Ok(())
}

fn child_tid_read_only() -> Result<()> {
    let page = Mapping::new(PAGE, MapFlags::SHARED)?;
    write(page.start(), 1);
    // SAFETY: It is only read from now on.
    unsafe { mprotect(page.start(), PAGE, MprotectFlags::READ)? };
    promise(&page);
    let world = World::sharing(VM)?;
    world.sharer.begin(wait_cleared, &name(page.start()));
    asleep_at(&world, page.start())?;
    let reply = world.device.commit(unshare(VM));
    world.ensure_replaced(reply, VM)?;
    let woken = world.sharer.answer()?;
    ensure!(woken == "woken", "{woken}");
    ensure!(read(page.start()) == 1, "it could be written");
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
    // Of 64 bits the upper half: `cpu_id`, as it was when the task left.
    let left = world.sharer.ask(peek, &rseq::word(0).addr().to_string())?;
    ensure!(
        left.parse::<u64>()? >> 32 == 0,
        "the old one is written: {left}"
    );
    Ok(())
}

/// A [`Question`](crate::sharer::Question): leaves the address space, and tells the concurrency id that it had
/// there and the one that it has now.
fn cids(_: &str) -> Result<String> {
    // Of a move to another processor it would be told.
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
    // The task goes on, and the kernel would write to the page that is gone.
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
