// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: the caller's io_uring, and a userfaultfd that watches it.

use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::io::Errno;
use rustix::mm::MapFlags;
use unshare_device::Contexts;

use super::vm::{VM, leave};
use crate::child::{Child, in_child, skip};
use crate::device::{checked, ioctl, unshare};
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Mapping};
use crate::memory::{PAGE, marked, name, peek, read};
use crate::ring::{ASYNC, NOP, POLL_ADD, READ, READ_FIXED, Ring};
use crate::twin::Twin;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_io")
        .test(
            "a poll that io_uring waits for completes after it",
            poll_completes,
        )
        .test(
            "a read that io_uring waits for goes to the copy",
            read_completes,
        )
        .test("a registered buffer stays the sharer's page", registered)
        .test("io_uring can be used after it", ring_works)
        .test(
            "a thread that io_uring started: EINVAL, CLONE_THREAD",
            worker,
        )
        .test(
            "a userfaultfd hears of the fork, and serves the copy",
            || {
                for twin in [Twin::Forked, Twin::Unshared] {
                    in_child(|| faults(twin))?;
                }
                Ok(())
            },
        )
}

fn poll_completes() -> Result<()> {
    let (reader, writer) = rustix::pipe::pipe()?;
    let ring = Ring::new()?;
    ring.submit(POLL_ADD, 0, reader.as_raw_fd(), 0, 0, 1)?;
    let world = World::sharing(VM)?;
    leave(&world)?;
    rustix::io::write(&writer, b"x")?;
    let result = ring.result()?;
    ensure!(result & 1 == 1, "{result}");
    Ok(())
}

fn ring_works() -> Result<()> {
    let (reader, writer) = rustix::pipe::pipe()?;
    let ring = Ring::new()?;
    leave(&World::sharing(VM)?)?;
    ring.submit(NOP, 0, -1, 0, 0, 0)?;
    ensure!(ring.result()? == 0);
    let memory = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    ring.submit(READ, 0, reader.as_raw_fd(), memory.start().addr(), 8, 0)?;
    rustix::io::write(&writer, &7_u64.to_ne_bytes())?;
    let result = ring.result()?;
    ensure!(result == 8 && read(memory.start()) == 7, "{result}");
    Ok(())
}

fn read_completes() -> Result<()> {
    let (reader, writer) = rustix::pipe::pipe()?;
    let memory = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    let ring = Ring::new()?;
    let world = World::sharing(VM)?;
    ring.submit(READ, 0, reader.as_raw_fd(), memory.start().addr(), 8, 0)?;
    leave(&world)?;
    rustix::io::write(&writer, &7_u64.to_ne_bytes())?;
    let result = ring.result()?;
    ensure!(result == 8 && read(memory.start()) == 7, "{result}");
    ensure!(world.sharer.ask(peek, &name(memory.start()))? == "0");
    Ok(())
}

fn registered() -> Result<()> {
    let (reader, writer) = rustix::pipe::pipe()?;
    let memory = marked(1, 1, MapFlags::PRIVATE)?;
    let ring = Ring::new()?;
    ring.register_buffer(&memory)?;
    let world = World::sharing(VM)?;
    leave(&world)?;
    rustix::io::write(&writer, &7_u64.to_ne_bytes())?;
    let address = memory.start().addr();
    ring.submit(READ_FIXED, 0, reader.as_raw_fd(), address, 8, 0)?;
    ensure!(ring.result()? == 8);
    ensure!(world.sharer.ask(peek, &name(memory.start()))? == "7");
    ensure!(read(memory.start()) == 1, "it is the copy's");
    Ok(())
}

fn worker() -> Result<()> {
    let (reader, _writer) = rustix::pipe::pipe()?;
    let memory = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    let ring = Ring::new()?;
    let world = World::sharing(VM)?;
    // It has nothing to read, and a thread that waits for it.
    ring.submit(READ, ASYNC, reader.as_raw_fd(), memory.start().addr(), 8, 0)?;
    world.refuses(unshare(VM), Errno::INVAL, Contexts::THREAD)
}

const UFFDIO_API: u32 = 3 << 30 | 24 << 16 | 0xaa << 8 | 0x3f;
const UFFDIO_REGISTER: u32 = 3 << 30 | 32 << 16 | 0xaa << 8;
const UFFDIO_COPY: u32 = 3 << 30 | 40 << 16 | 0xaa << 8 | 3;
const FEATURE_EVENT_FORK: u64 = 1 << 1;
const MODE_MISSING: u64 = 1;
const EVENT_PAGEFAULT: u8 = 0x12;
const EVENT_FORK: u8 = 0x13;

/// One message of a userfaultfd: what it is about, and a number that goes with it.
fn message(fd: i32) -> Result<(u8, u64, u64)> {
    let mut text = [0_u64; 4];
    // SAFETY: A message is 32 bytes.
    checked(unsafe { libc::read(fd, text.as_mut_ptr().cast(), 32) }).context("userfaultfd")?;
    Ok((text[0].to_ne_bytes()[0], text[1], text[2]))
}

/// Waits for the fork, and then answers the copy's first page fault with a page that begins with 9.
fn serve(fd: i32) -> Result<String> {
    let (EVENT_FORK, new, _) = message(fd)? else {
        bail!("no fork, but something else");
    };
    let new = i32::try_from(new & 0xffff_ffff)?;
    let (EVENT_PAGEFAULT, _, address) = message(new)? else {
        bail!("no page fault, but something else");
    };
    let mut page = vec![0_u64; 2 * PAGE / 8];
    page.fill(9);
    let source = page.as_ptr().addr().next_multiple_of(PAGE) as u64;
    let mut copy = [address & !4095, source, PAGE as u64, 0, 0];
    match ioctl(new, UFFDIO_COPY, copy.as_mut_ptr().cast()) {
        None => Ok(String::new()),
        Some(errno) => Err(errno).context("UFFDIO_COPY"),
    }
}

fn faults(twin: Twin) -> Result<String> {
    // SAFETY: userfaultfd(2) takes a number.
    let fd = match checked(unsafe { libc::syscall(libc::SYS_userfaultfd, 0) }) {
        Err(Errno::NOSYS) => return skip("this kernel has no userfaultfd"),
        fd => i32::try_from(fd.context("userfaultfd")?)?,
    };
    let mut api = [0xaa, FEATURE_EVENT_FORK, 0];
    ensure!(
        ioctl(fd, UFFDIO_API, api.as_mut_ptr().cast()).is_none(),
        "UFFDIO_API"
    );
    let memory = Mapping::new(4 * PAGE, MapFlags::PRIVATE)?;
    // Made before it could hear of its own fork.
    let mailbox = Mailbox::new()?;
    let server = Child::spawn(|| {
        mailbox.page().wait(&[1], Duration::from_secs(20));
        serve(fd)
    })?;
    let mut register = [
        memory.start().addr() as u64,
        memory.len() as u64,
        MODE_MISSING,
        0,
    ];
    let registered = ioctl(fd, UFFDIO_REGISTER, register.as_mut_ptr().cast());
    ensure!(registered.is_none(), "UFFDIO_REGISTER: {registered:?}");
    mailbox.page().post(1, "");
    let seen = twin.look(|| Ok(read(memory.start().wrapping_byte_add(PAGE)).to_string()))?;
    server
        .report(Duration::from_secs(20))
        .with_context(|| format!("{twin}"))?;
    ensure!(seen == "9", "{twin}: {seen}");
    Ok(seen)
}
