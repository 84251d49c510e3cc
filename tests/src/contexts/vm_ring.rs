// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: io_uring requests of the caller that are in flight. Each belongs to the memory in
//! which it was submitted; one that waits for a private futex is in a table of that memory.

use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::AtomicU32;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::mm::MapFlags;
use rustix::thread::futex;
use unshare_device::Contexts;

use super::vm::{VM, leave};
use crate::check::ensure;
use crate::device::unshare;
use crate::dry_run::dry;
use crate::harness::Suite;
use crate::mailbox::Mapping;
use crate::memory::{PAGE, read};
use crate::ring::{NOP, POLL_ADD, READ, Ring};
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_ring")
        .test(
            "with an io_uring wait for a private futex: EBUSY, CLONE_VM; after its wake: success",
            futex_woken,
        )
        .test(
            "with an io_uring wait for a private futex, cancelled: success",
            futex_cancelled,
        )
        .test(
            "with an io_uring poll in flight: EBUSY, CLONE_VM; after its completion: success",
            poll,
        )
        .test(
            "with an io_uring read in flight: EBUSY, CLONE_VM; after its completion: success",
            pending_read,
        )
        .test(
            "after thousands of completed io_uring requests: success",
            former_user,
        )
        .test(
            "with a request of the sharer in flight in the same ring: success",
            sharers_request,
        )
}

/// A request for `CLONE_VM` fails, and so does its dry run.
fn is_busy(world: &World) -> Result<()> {
    world.refuses(unshare(VM), Errno::BUSY, VM)?;
    world.refuses(dry(unshare(VM)), Errno::BUSY, VM)
}

fn futex_woken() -> Result<()> {
    let page = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    // SAFETY: The page outlives the word, which is zero.
    let word = unsafe { &*page.start().cast::<AtomicU32>() };
    let ring = Ring::new()?;
    let world = World::sharing(VM)?;
    ring.wait_at(page.start().addr(), 0)?;
    is_busy(&world)?;
    let woken = futex::wake(word, futex::Flags::PRIVATE, 1)?;
    ensure!(woken == 1, "{woken} woken");
    let result = ring.result()?;
    ensure!(result == 0, "{result}");
    leave(&world)
}

fn futex_cancelled() -> Result<()> {
    let page = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    let ring = Ring::new()?;
    let world = World::sharing(VM)?;
    ring.wait_at(page.start().addr(), 0)?;
    is_busy(&world)?;
    ring.cancel()?;
    let mut results = [ring.result()?, ring.result()?];
    results.sort_unstable();
    // The result of the other request: 0, or how many it has canceled.
    let [cancelled, other] = results;
    ensure!(cancelled == -libc::ECANCELED && other >= 0, "{results:?}");
    leave(&world)
}

fn poll() -> Result<()> {
    let (reader, writer) = rustix::pipe::pipe()?;
    let ring = Ring::new()?;
    ring.submit(POLL_ADD, 0, reader.as_raw_fd(), 0, 0, 1)?;
    let world = World::sharing(VM)?;
    is_busy(&world)?;
    rustix::io::write(&writer, b"x")?;
    let result = ring.result()?;
    ensure!(result & 1 == 1, "{result}");
    leave(&world)
}

fn pending_read() -> Result<()> {
    let (reader, writer) = rustix::pipe::pipe()?;
    let memory = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    let ring = Ring::new()?;
    let world = World::sharing(VM)?;
    ring.submit(READ, 0, reader.as_raw_fd(), memory.start().addr(), 8, 0)?;
    is_busy(&world)?;
    rustix::io::write(&writer, &7_u64.to_ne_bytes())?;
    let result = ring.result()?;
    ensure!(result == 8 && read(memory.start()) == 7, "{result}");
    leave(&world)
}

fn former_user() -> Result<()> {
    let ring = Ring::new()?;
    let world = World::sharing(VM)?;
    // The kernel takes references for requests in advance, a thousand at a time.
    for _ in 0..3000 {
        ring.submit(NOP, 0, -1, 0, 0, 0)?;
        ensure!(ring.result()? == 0);
    }
    leave(&world)
}

/// A [`Question`](crate::sharer::Question): polls a descriptor. `arg`: the descriptor and the
/// address of the [`Ring`].
fn begin_poll(arg: &str) -> Result<String> {
    let (ring, fd) = arg.split_once(' ').context("ring and descriptor, please")?;
    let ring = ptr::without_provenance::<Ring>(ring.parse()?);
    // SAFETY: It is in the memory that this task shares, and stays until the answer.
    unsafe { &*ring }.submit(POLL_ADD, 0, fd.parse()?, 0, 0, 1)?;
    Ok(String::new())
}

fn sharers_request() -> Result<()> {
    let (reader, writer) = rustix::pipe::pipe()?;
    let ring = Ring::new()?;
    let world = World::sharing(VM | Contexts::FILES)?;
    let place = format!("{} {}", (&raw const ring).addr(), reader.as_raw_fd());
    world.sharer.ask(begin_poll, &place)?;
    leave(&world)?;
    rustix::io::write(&writer, b"x")?;
    Ok(())
}
