// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM` and `clear_child_tid`: the word is cleared in the old address space.

use std::fs;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::{MemfdFlags, fstat, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap, mprotect};
use rustix::process::getpid;
use rustix::thread::futex;
use unshare_device::Contexts;

use super::vm::{VM, leave};
use super::vm_observers::by_syscall;
use crate::attach::moving::look_into;
use crate::check::ensure;
use crate::child::Child;
use crate::device::{Device, checked, unshare};
use crate::dry_run::dry;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::mailbox::{Mailbox, Mapping};
use crate::memory::{PAGE, marked, name, peek, read, write};
use crate::sharer::Sharer;
use crate::userfaultfd::Userfaultfd;
use crate::world::World;

pub(super) const SOON: Duration = Duration::from_secs(20);

pub(crate) fn suite() -> Suite {
    Suite::new("vm_child_tid")
        .test("the word is cleared in the old address space and its waiters are woken", child_tid)
        .test("a failed request does not clear the word", child_tid_stays)
        .test("a dry run does not write the word", child_tid_dry)
        .test(
            "a dry run does not fill the hole of a file in which the word is",
            child_tid_hole,
        )
        .test(
            "with the word's page missing, a userfaultfd handler can read the caller's memory before it provides the page",
            child_tid_missing,
        )
        .test(
            "with the word's second page missing, a userfaultfd handler can read the caller's memory before it provides the page",
            child_tid_across,
        )
        .test(
            "with the word's page discarded during the request, a userfaultfd handler can read the caller's memory before it provides the page",
            child_tid_discarded,
        )
        .test("waiters are woken also if the word cannot be written", child_tid_read_only)
        .test(
            "a task whose word is in a page that was never written can leave",
            child_tid_zero_page,
        )
}

/// A word that is cleared when the task leaves.
fn promised_word() -> Result<Mapping> {
    let page = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    write(page.start(), 1);
    promise(&page);
    Ok(page)
}

/// Sets `clear_child_tid` to the first word.
fn promise(page: &Mapping) {
    promise_at(page.start());
}

/// Sets `clear_child_tid` to an address.
pub(super) fn promise_at(word: *mut libc::c_void) {
    // SAFETY: The word outlives the promise: each test ends by the end of its task.
    unsafe { libc::syscall(libc::SYS_set_tid_address, word) };
}

/// Returns `clear_child_tid`.
fn promised() -> Result<usize> {
    let mut address = 0_usize;
    // SAFETY: The kernel writes one number.
    match checked(unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut address) }) {
        Err(Errno::INVAL) => crate::child::skip("this kernel does not tell the address"),
        outcome => Ok(outcome.map(|_| address)?),
    }
}

/// A [`Question`](crate::sharer::Question): sleeps while the word at the address `arg` is 1.
/// Allocates only after it was woken.
fn wait_cleared(arg: &str) -> Result<String> {
    let word: *const AtomicU32 = std::ptr::without_provenance(arg.parse()?);
    // SAFETY: The word is mapped here for as long as the task lives.
    let word = unsafe { &*word };
    let limit = SOON.try_into()?;
    // Only the kernel wakes it.
    match futex::wait(word, futex::Flags::empty(), 1, Some(&limit)) {
        Ok(()) => Ok("woken".to_owned()),
        other => Ok(format!("{other:?}, and the word is {}", word.load(Relaxed))),
    }
}

/// A [`Question`](crate::sharer::Question) for the witness: returns when a task sleeps at a futex.
/// `arg`: its PID, and the address in hexadecimal digits.
fn sleeps_at(arg: &str) -> Result<String> {
    let (pid, address) = arg.split_once(' ').context("pid and address, please")?;
    let asleep = format!("{} {address} ", libc::SYS_futex);
    let start = Instant::now();
    loop {
        // "running", or the number of the system call and its arguments.
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

/// Leaves the address space while another task acts between the copy and the switch: it answers the
/// page fault at the word, which begins `before` bytes before the missing page. Returns the world,
/// the memory, and the position of the word in it.
pub(super) fn leave_while(
    before: usize,
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<(World, Mapping, *mut libc::c_void)> {
    leave_world_while(before, |_| {}, meanwhile)
}

/// The same, after the sharer has been asked by `prepare` what it is to do meanwhile.
pub(super) fn leave_world_while(
    before: usize,
    prepare: impl FnOnce(&World),
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<(World, Mapping, *mut libc::c_void)> {
    let watcher = Userfaultfd::new(0)?;
    let pages = Mapping::new(2 * PAGE, MapFlags::PRIVATE)?;
    let word = pages.start().wrapping_byte_add(PAGE - before);
    // Now the page exists.
    write(pages.start(), 1);
    let mailbox = Mailbox::new()?;
    let server = Child::spawn(|| {
        mailbox.page().wait(&[1], SOON);
        let address = watcher.fault()?;
        meanwhile()?;
        watcher.answer(address, u64::MAX)?;
        Ok(String::new())
    })?;
    watcher.register(&pages)?;
    promise_at(word);
    mailbox.page().post(1, "");
    let world = World::sharing(VM)?;
    prepare(&world);
    leave(&world)?;
    server.report(SOON)?;
    Ok((world, pages, word))
}

/// A reader waits while the task moves; the task must not wait for that reader then.
fn child_tid_missing() -> Result<()> {
    look_before(0)
}

fn child_tid_across() -> Result<()> {
    look_before(2)
}

fn look_before(before: usize) -> Result<()> {
    let memory = marked(1, 7, MapFlags::PRIVATE)?;
    let caller = getpid();
    let (world, _pages, word) = leave_while(before, || {
        ensure!(by_syscall(caller, memory.start().addr())? == 7);
        Ok(())
    })?;
    let left = world.sharer.ask(peek, &name(word))?.parse::<u64>()?;
    // The word is in the first half of the memory.
    ensure!(
        left as u32 == 0 && left >> 32 == u64::from(u32::MAX),
        "{left:#x}"
    );
    Ok(())
}

/// A [`Question`](crate::sharer::Question): sets `clear_child_tid` to the address `arg`, and leaves
/// as soon as no task looks into this one.
fn leave_at_last(arg: &str) -> Result<String> {
    promise_at(ptr::without_provenance_mut(arg.parse()?));
    let device = Device::open()?;
    loop {
        let reply = device.commit(unshare(VM));
        if reply.errno != Some(Errno::BUSY) {
            ensure!(reply.errno.is_none(), "{reply:?}");
            return Ok(String::new());
        }
    }
}

fn child_tid_discarded() -> Result<()> {
    let (memory, watcher) = (marked(1, 7, MapFlags::PRIVATE)?, Userfaultfd::new(0)?);
    let page = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    write(page.start(), 1);
    let sharer = Sharer::new(VM)?;
    let server = Child::spawn(|| {
        let address = watcher.fault()?;
        ensure!(by_syscall(sharer.pid, memory.start().addr())? == 7);
        watcher.answer(address, u64::MAX)?;
        Ok(String::new())
    })?;
    watcher.register(&page)?;
    let reader = look_into(sharer.pid)?;
    sharer.begin(leave_at_last, &name(page.start()));
    // By then the request has copied the memory and waits for the reader.
    sleep(Duration::from_millis(300));
    // SAFETY: No reference to the memory exists.
    unsafe { madvise(page.start(), PAGE, Advice::LinuxDontNeed)? };
    reader.stop()?;
    sharer.answer()?;
    server.report(SOON)?;
    ensure!(read(page.start()) as u32 == 0, "the word was not cleared");
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

/// The page is the zero page, which can be read and not written.
fn child_tid_zero_page() -> Result<()> {
    let page = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    // SAFETY: It is only read from now on.
    unsafe { mprotect(page.start(), PAGE, MprotectFlags::READ)? };
    ensure!(read(page.start()) == 0);
    promise(&page);
    World::sharing(VM)?.replaces(unshare(VM), VM, &["kcmp/vm"])
}
