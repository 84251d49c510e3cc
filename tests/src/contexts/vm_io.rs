// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: the caller's io_uring, and a userfaultfd that watches it.

use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::mm::MapFlags;
use unshare_device::Contexts;

use super::vm::{VM, leave};
use crate::check::ensure;
use crate::child::{Child, in_child};
use crate::device::unshare;
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Mapping};
use crate::memory::{PAGE, marked, name, peek, read};
use crate::ring::{ASYNC, NOP, READ, READ_FIXED, Ring};
use crate::twin::Twin;
use crate::userfaultfd::{self, Userfaultfd};
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_io")
        .test(
            "a registered io_uring buffer stays a page of the sharer",
            registered,
        )
        .test("io_uring works in the copy", ring_works)
        .test(
            "with a thread that io_uring started: EINVAL, CLONE_THREAD",
            worker,
        )
        .test(
            "a userfaultfd gets UFFD_EVENT_FORK and serves the copy",
            || {
                for twin in [Twin::Forked, Twin::Unshared] {
                    in_child(|| faults(twin))?;
                }
                Ok(())
            },
        )
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
    // The ring has nothing to read, and a thread that waits for it.
    ring.submit(READ, ASYNC, reader.as_raw_fd(), memory.start().addr(), 8, 0)?;
    world.refuses(unshare(VM), Errno::INVAL, Contexts::THREAD)
}

fn faults(twin: Twin) -> Result<String> {
    let watcher = Userfaultfd::new(userfaultfd::FORKS)?;
    let memory = Mapping::new(4 * PAGE, MapFlags::PRIVATE)?;
    // Forked before the userfaultfd watches the memory, so that it gets no event of this fork.
    let mailbox = Mailbox::new()?;
    let server = Child::spawn(|| {
        mailbox.page().wait(&[1], Duration::from_secs(20));
        let child = watcher.forked()?;
        child.answer(child.fault()?, 9)?;
        Ok(String::new())
    })?;
    watcher.register(&memory)?;
    mailbox.page().post(1, "");
    let seen = twin.look(|| Ok(read(memory.start().wrapping_byte_add(PAGE)).to_string()))?;
    server
        .report(Duration::from_secs(20))
        .with_context(|| format!("{twin}"))?;
    ensure!(seen == "9", "{twin}: {seen}");
    Ok(seen)
}
