// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_NEWIPC`: System V IPC and POSIX message queues.

use std::fs;

use anyhow::Result;
use unshare_device::Contexts;

use super::sysv::{Semaphore, attach, new_segment, remove_segment, segment_exists, value};
use crate::backend::syscall;
use crate::check::ensure;
use crate::device::unshare;
use crate::harness::Suite;
use crate::world::World;

const IPC: Contexts = Contexts::IPC;

pub(crate) fn suite() -> Suite {
    Suite::new("ipc")
        .test(
            "the caller does not find other tasks' shared memory",
            others_memory,
        )
        .test(
            "other tasks do not find the caller's new shared memory",
            own_memory,
        )
        .test("attached shared memory stays attached", stays_attached)
        .test("semaphore adjustments are applied, as at exit", adjustments)
        .test(
            "with CLONE_SYSVSEM too, semaphore adjustments are applied, as at exit",
            adjustments_named,
        )
        .test(
            "with shm_rmid_forced, the caller's shared memory is removed, as at exit",
            given_up,
        )
        .test("the new namespace has the default settings", settings)
}

fn others_memory() -> Result<()> {
    let world = World::alone()?;
    let segment = new_segment()?;
    let id = segment.to_string();
    ensure!(segment_exists(&id)? == "true");
    world.replaces(unshare(IPC), IPC, &["ns/ipc"])?;
    ensure!(segment_exists(&id)? == "false");
    ensure!(world.witness.ask(segment_exists, &id)? == "true");
    world.witness.ask(remove, &id)?;
    Ok(())
}

fn remove(id: &str) -> Result<String> {
    remove_segment(id.parse()?);
    Ok(String::new())
}

fn own_memory() -> Result<()> {
    let world = World::alone()?;
    world.replaces(unshare(IPC), IPC, &["ns/ipc"])?;
    let id = new_segment()?.to_string();
    ensure!(segment_exists(&id)? == "true");
    ensure!(world.witness.ask(segment_exists, &id)? == "false");
    Ok(())
}

fn stays_attached() -> Result<()> {
    let world = World::alone()?;
    let segment = new_segment()?;
    let memory = attach(segment)?;
    remove_segment(segment);
    // SAFETY: The segment is mapped as long as this process lives.
    unsafe { memory.write_volatile(42) };
    world.replaces(unshare(IPC), IPC, &["ns/ipc"])?;
    // SAFETY: As above.
    ensure!(unsafe { memory.read_volatile() } == 42);
    Ok(())
}

fn adjustments() -> Result<()> {
    applied(IPC)
}

fn adjustments_named() -> Result<()> {
    applied(IPC | Contexts::SYSVSEM)
}

fn applied(contexts: Contexts) -> Result<()> {
    // The semaphore ends with this test's namespace.
    syscall(IPC)?;
    let semaphore = Semaphore::new()?;
    let world = World::here(Contexts::empty())?;
    semaphore.add_with_undo(5)?;
    let replaced = IPC | Contexts::SYSVSEM;
    world.replaces(unshare(contexts), replaced, &["kcmp/sysvsem", "ns/ipc"])?;
    ensure!(world.witness.ask(value, &semaphore.id())? == "0");
    Ok(())
}

fn given_up() -> Result<()> {
    // The setting belongs to this test's namespace, and ends with it.
    syscall(IPC)?;
    let world = World::here(Contexts::empty())?;
    let id = new_segment()?.to_string();
    fs::write("/proc/sys/kernel/shm_rmid_forced", "1")?;
    ensure!(world.witness.ask(segment_exists, &id)? == "true");
    world.replaces(unshare(IPC), IPC, &["ns/ipc"])?;
    let exists = world.witness.ask(segment_exists, &id)?;
    ensure!(exists == "false", "an orphan is left");
    Ok(())
}

fn settings() -> Result<()> {
    const MSGMNB: &str = "/proc/sys/kernel/msgmnb";
    syscall(IPC)?;
    let fresh = fs::read_to_string(MSGMNB)?;
    fs::write(MSGMNB, "12345")?;
    let world = World::alone()?;
    world.replaces(unshare(IPC), IPC, &["ns/ipc"])?;
    ensure!(fs::read_to_string(MSGMNB)? == fresh);
    Ok(())
}
