// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: tasks that look at the caller's memory meanwhile.

use std::ffi::c_void;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::mm::MapFlags;
use rustix::process::{Pid, WaitOptions, getpid, waitpid};

use super::vm::{VM, leave};
use crate::check::ensure;
use crate::child::Child;
use crate::device::{checked, unshare};
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Page};
use crate::memory::{PAGE, marked, read, write};
use crate::scale::{limit, rounds};
use crate::sharer::Sharer;
use crate::world::World;

const STOP: u32 = 1;

pub(crate) fn suite() -> Suite {
    // Each round gets only the processor time that the others leave.
    Suite::new("vm_observers")
        .slow(
            "process_vm_readv(2) reads the old address space or the copy, not a mixture",
            limit(),
            || readers(by_syscall),
        )
        .slow(
            "/proc/PID/mem shows the old address space or the copy, not a mixture",
            limit(),
            || readers(by_proc),
        )
        .slow("a tracer reads and writes the copy", limit(), traced)
        .test(
            "the caller's dumpable flag does not change the sharer's",
            dumpable,
        )
        .test("a caller that is not dumpable stays so", not_dumpable)
}

type Look = fn(Pid, usize) -> Result<u64>;

pub(super) fn by_syscall(task: Pid, address: usize) -> Result<u64> {
    let mut number = 0_u64;
    let local = libc::iovec {
        iov_base: (&raw mut number).cast(),
        iov_len: 8,
    };
    let remote = libc::iovec {
        iov_base: std::ptr::without_provenance_mut::<c_void>(address),
        iov_len: 8,
    };
    let pid = task.as_raw_nonzero().get();
    // SAFETY: The kernel writes the number, which is as long as it says.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    checked(read)?;
    Ok(number)
}

fn by_proc(task: Pid, address: usize) -> Result<u64> {
    let mut bytes = [0; 8];
    let path = format!("/proc/{}/mem", task.as_raw_nonzero());
    // Reading an address space whose last task has ended since it was opened returns nothing.
    while File::open(&path)?.read_at(&mut bytes, address.try_into()?)? == 0 {}
    Ok(u64::from_ne_bytes(bytes))
}

/// Reads a number that only grows, in whatever memory the task that increments it is.
fn watch(look: Look, task: Pid, address: usize, page: &Page) -> Result<String> {
    let mut last = 0;
    while page.state() != STOP {
        let now = look(task, address)?;
        ensure!(now >= last, "{now} after {last}");
        last = now;
        page.word.fetch_add(1, Relaxed);
    }
    Ok(String::new())
}

fn readers(look: Look) -> Result<()> {
    let memory = marked(1, 1, MapFlags::PRIVATE)?;
    let world = World::alone()?;
    let mailbox = Mailbox::new()?;
    let caller = getpid();
    let address = memory.start().addr();
    let watchers = [0, 1].map(|_| Child::spawn(|| watch(look, caller, address, mailbox.page())));
    let mut round = 0;
    while round < rounds(60, 2000) || mailbox.page().word.load(Relaxed) < 60 {
        round += 1;
        let _sharer = Sharer::new(VM)?;
        let reply = world.device.commit(unshare(VM));
        world.ensure_replaced(reply, VM)?;
        write(memory.start(), read(memory.start()) + 1);
    }
    mailbox.page().post(STOP, "");
    for watcher in watchers {
        watcher?.report(Duration::from_secs(20))?;
    }
    Ok(())
}

/// ptrace(2) with numeric arguments.
fn ptrace(request: u32, task: Pid, address: usize, data: usize) -> Result<i64> {
    let pid = task.as_raw_nonzero().get();
    // SAFETY: These requests take numbers, or write the one that `data` points to.
    let done = unsafe { libc::syscall(libc::SYS_ptrace, request, pid, address, data) };
    checked(done).with_context(|| format!("ptrace {request:#x}"))
}

/// Stops the task again and again; reads one number and writes another.
fn trace(task: Pid, address: usize, page: &Page) -> Result<String> {
    ptrace(libc::PTRACE_SEIZE, task, 0, 0)?;
    page.post(2, "");
    let (mut last, mut stops) = (0, 0_u64);
    while page.state() != STOP {
        // Interrupting a task that a signal has stopped only stops it once more.
        if waitpid(Some(task), WaitOptions::NOHANG)?.is_some() {
            ptrace(libc::PTRACE_CONT, task, 0, 0)?;
            continue;
        }
        ptrace(libc::PTRACE_INTERRUPT, task, 0, 0)?;
        waitpid(Some(task), WaitOptions::UNTRACED)?;
        let mut seen = 0_u64;
        ptrace(libc::PTRACE_PEEKDATA, task, address, (&raw mut seen).addr())?;
        ensure!(seen >= last, "{seen} after {last}");
        last = seen;
        stops += 1;
        ptrace(
            libc::PTRACE_POKEDATA,
            task,
            address + PAGE,
            usize::try_from(stops)?,
        )?;
        ptrace(libc::PTRACE_CONT, task, 0, 0)?;
        page.word.store(usize::try_from(stops)?, Relaxed);
        // clone(2) begins anew when it is interrupted, and has to come to its end in between.
        std::thread::sleep(Duration::from_millis(20));
    }
    ptrace(libc::PTRACE_INTERRUPT, task, 0, 0)?;
    waitpid(Some(task), WaitOptions::UNTRACED)?;
    ptrace(libc::PTRACE_DETACH, task, 0, 0)?;
    Ok(stops.to_string())
}

fn traced() -> Result<()> {
    let memory = marked(2, 1, MapFlags::PRIVATE)?;
    let world = World::alone()?;
    let mailbox = Mailbox::new()?;
    let (caller, address) = (getpid(), memory.start().addr());
    let tracer = Child::spawn(|| trace(caller, address, mailbox.page()))?;
    ensure!(mailbox.page().wait(&[2], Duration::from_secs(10)).is_some());
    let mut round = 0;
    while round < rounds(30, 1000) || mailbox.page().word.load(Relaxed) < 5 {
        round += 1;
        let _sharer = Sharer::new(VM)?;
        let reply = world.device.commit(unshare(VM));
        world.ensure_replaced(reply, VM)?;
        write(memory.start(), read(memory.start()) + 1);
    }
    mailbox.page().post(STOP, "");
    let stops: u64 = tracer.report(Duration::from_secs(20))?.parse()?;
    let written = read(memory.start().wrapping_byte_add(PAGE));
    ensure!(written == stops, "{written} was written of {stops}");
    Ok(())
}

/// A [`Question`](crate::sharer::Question): whether this task may be dumped.
fn may_be_dumped(_: &str) -> Result<String> {
    // SAFETY: prctl(2) takes numbers here.
    Ok(checked(unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) })?.to_string())
}

/// A [`Question`](crate::sharer::Question): sets whether it may.
fn set_dumpable(arg: &str) -> Result<String> {
    let value: u64 = arg.parse()?;
    // SAFETY: As above.
    checked(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, value, 0, 0, 0) })?;
    Ok(String::new())
}

fn dumpable() -> Result<()> {
    let world = World::sharing(VM)?;
    leave(&world)?;
    set_dumpable("0")?;
    ensure!(world.sharer.ask(may_be_dumped, "")? == "1");
    set_dumpable("1")?;
    world.sharer.ask(set_dumpable, "0")?;
    ensure!(may_be_dumped("")? == "1");
    Ok(())
}

fn not_dumpable() -> Result<()> {
    set_dumpable("0")?;
    let world = World::sharing(VM)?;
    let reply = world.device.commit(unshare(VM));
    world.ensure_replaced(reply, VM)?;
    ensure!(may_be_dumped("")? == "0");
    ensure!(world.sharer.ask(may_be_dumped, "")? == "0");
    Ok(())
}
