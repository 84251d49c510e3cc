// SPDX-License-Identifier: GPL-2.0-only

//! What the caller sees in the namespaces that it has attached, and what it leaves behind.

use std::fs;

use anyhow::Result;
use rustix::mount::{UnmountFlags, unmount};
use rustix::thread::{
    CapabilitiesSecureBits, capabilities_secure_bits, set_capabilities_secure_bits,
};
use unshare_device::Contexts;

use super::both::clock;
use super::kinds::taken;
use super::target::{AHEAD, KINDS, Target};
use crate::backend::syscall;
use crate::check::ensure;
use crate::child::in_child;
use crate::contexts::mount::{folder, mount_tmpfs};
use crate::contexts::sysv::{Semaphore, new_segment, segment_exists, value};
use crate::contexts::time::seconds;
use crate::contexts::user::map_root;
use crate::device::checked;
use crate::harness::Suite;
use crate::questions::{hostname, listen, pid, place_of, reaches, set_hostname};
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("attach_effects")
        .test("caller and target change the same host name", host_name)
        .test("caller and target see each other's mounts", mounts)
        .test("the caller reaches the target's abstract sockets", sockets)
        .test(
            "children of the caller are born into the target's PID namespace",
            children,
        )
        .test(
            "the caller's clock has the offset at once, by vDSO and by system call",
            clocks,
        )
        .test("children of the caller have the offset", childrens_clock)
        .test("semaphore adjustments are applied, as at exit", adjustments)
        .test(
            "with shm_rmid_forced, the caller's shared memory stays in the old namespace",
            segments,
        )
        .test(
            "in a user namespace, the caller has its ids and every capability",
            user,
        )
        .test("the secure bits are reset", secure_bits)
}

fn host_name() -> Result<()> {
    let target = Target::new(Contexts::UTS)?;
    let world = World::alone()?;
    world.replaces(target.attach(Contexts::UTS), Contexts::UTS, &["ns/uts"])?;
    let old = world.witness.ask(hostname, "")?;
    set_hostname("of-both")?;
    ensure!(target.ask(hostname, "")? == "of-both");
    ensure!(world.witness.ask(hostname, "")? == old);
    Ok(())
}

fn mounts() -> Result<()> {
    let path = folder("attach-mounts")?;
    let target = Target::new(Contexts::MOUNT)?;
    let world = World::alone()?;
    let replaced = Contexts::MOUNT | Contexts::FS;
    taken(&world, target.attach(Contexts::MOUNT), replaced)?;
    let mounted = mount_tmpfs(&path)?;
    ensure!(target.ask(place_of, &path)? == mounted);
    ensure!(world.witness.ask(place_of, &path)? != mounted);
    unmount(&path, UnmountFlags::empty())?;
    ensure!(target.ask(place_of, &path)? != mounted);
    Ok(())
}

fn sockets() -> Result<()> {
    let target = Target::new(Contexts::NET)?;
    target.ask(listen, "of-the-target")?;
    ensure!(!reaches("of-the-target")?);
    let world = World::alone()?;
    world.replaces(target.attach(Contexts::NET), Contexts::NET, &["ns/net"])?;
    ensure!(reaches("of-the-target")?);
    Ok(())
}

fn children() -> Result<()> {
    let target = Target::new(Contexts::PID)?;
    ensure!(target.ask(pid, "")? == "1");
    let own = pid("")?;
    let points = ["ns/pid_for_children"];
    let world = World::alone()?;
    world.replaces(target.attach(Contexts::PID), Contexts::PID, &points)?;
    ensure!(pid("")? == own);
    ensure!(in_child(|| pid(""))? == "2");
    Ok(())
}

/// Returns the kernel's time without the vDSO.
fn seconds_of_syscall() -> Result<i64> {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: The call writes a `struct timespec`, which is live.
    checked(unsafe {
        libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_MONOTONIC, &raw mut now)
    })?;
    Ok(now.tv_sec)
}

const TIME: [&str; 2] = ["ns/time", "ns/time_for_children"];

fn clocks() -> Result<()> {
    let target = Target::new(Contexts::TIME)?;
    let world = World::alone()?;
    // Maps the page with the clocks.
    let before = seconds();
    ensure!(target.ask(clock, "")?.parse::<i64>()? >= before + AHEAD);
    world.replaces(target.attach(Contexts::TIME), Contexts::TIME, &TIME)?;
    let after = [seconds(), seconds_of_syscall()?];
    let expected = before + AHEAD..before + AHEAD + 20;
    ensure!(
        after.iter().all(|now| expected.contains(now)),
        "{after:?} is not in {expected:?}"
    );
    Ok(())
}

fn childrens_clock() -> Result<()> {
    let target = Target::new(Contexts::TIME)?;
    let before = seconds();
    World::alone()?.replaces(target.attach(Contexts::TIME), Contexts::TIME, &TIME)?;
    ensure!(in_child(|| clock(""))?.parse::<i64>()? >= before + AHEAD);
    Ok(())
}

fn adjustments() -> Result<()> {
    // The semaphore ends with this test's namespace.
    syscall(Contexts::IPC)?;
    let semaphore = Semaphore::new()?;
    let target = Target::new(Contexts::IPC)?;
    let world = World::here(Contexts::empty())?;
    semaphore.add_with_undo(5)?;
    let replaced = Contexts::IPC | Contexts::SYSVSEM;
    let points = ["kcmp/sysvsem", "ns/ipc"];
    world.replaces(target.attach(Contexts::IPC), replaced, &points)?;
    ensure!(world.witness.ask(value, &semaphore.id())? == "0");
    Ok(())
}

fn segments() -> Result<()> {
    syscall(Contexts::IPC)?;
    let target = Target::new(Contexts::IPC)?;
    let world = World::here(Contexts::empty())?;
    let segment = new_segment()?.to_string();
    fs::write("/proc/sys/kernel/shm_rmid_forced", "1")?;
    world.replaces(target.attach(Contexts::IPC), Contexts::IPC, &["ns/ipc"])?;
    ensure!(segment_exists(&segment)? == "false");
    ensure!(world.witness.ask(segment_exists, &segment)? == "true");
    Ok(())
}

/// A [`Question`](crate::sharer::Question): maps root to root.
pub(crate) fn map(_: &str) -> Result<String> {
    map_root(0, 0)?;
    Ok(String::new())
}

fn user() -> Result<()> {
    let target = Target::new(KINDS.difference(Contexts::UTS))?;
    target.ask(map, "")?;
    let world = World::alone()?;
    let before = world.snapshot()?;
    world.replaces(target.attach(Contexts::USER), Contexts::USER, &["ns/user"])?;
    ensure!(rustix::process::getuid().is_root());
    let after = world.snapshot()?;
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        ensure!(after.get(set)? == before.get("CapBnd")?, "{set}");
    }
    // That namespace does not own the host name.
    ensure!(set_hostname("not-ours").is_err());
    Ok(())
}

fn secure_bits() -> Result<()> {
    let target = Target::new(Contexts::USER)?;
    set_capabilities_secure_bits(CapabilitiesSecureBits::NO_ROOT)?;
    World::alone()?.replaces(target.attach(Contexts::USER), Contexts::USER, &["ns/user"])?;
    ensure!(capabilities_secure_bits()?.is_empty());
    Ok(())
}
