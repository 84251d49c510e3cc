// SPDX-License-Identifier: GPL-2.0-only

//! The test specification in Documentation/userspace-api/unshare.rst, section 8, item by item.
//!
//! Item 1 was written for a kernel that could unshare neither signal handlers nor signals. Here
//! handlers can be unshared, because they are a structure of the task's own. Signals cannot: tasks
//! that share them are threads of one process, with one PID and one parent.

use anyhow::Result;
use rustix::io::Errno;
use rustix::mm::MapFlags;
use unshare_device::Contexts;

use crate::backend::syscall;
use crate::check::ensure;
use crate::conditions::beside_thread;
use crate::contexts::mount::{folder, mount_tmpfs, stage};
use crate::device::unshare;
use crate::harness::Suite;
use crate::memory::{marked, name, peek, write};
use crate::questions::{chdir, cwd, is_open, open, place_of};
use crate::world::World;

const FS: Contexts = Contexts::FS;
const FILES: Contexts = Contexts::FILES;
const VM: Contexts = Contexts::VM;
const MOUNT: Contexts = Contexts::MOUNT;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("spec2006")
        .test("1: shared signal handlers: unshared", || {
            let world = World::sharing(VM | Contexts::SIGHAND)?;
            let bits = Contexts::SIGHAND;
            world.replaces(unshare(bits), bits, &["kcmp/sighand"])
        })
        .test("1: shared signals: EINVAL", || {
            let world = World::alone()?;
            let args = unshare(Contexts::THREAD);
            beside_thread(|| world.refuses(args, Errno::INVAL, Contexts::THREAD))
        })
        .test("1: unknown flags: EINVAL", || {
            let world = World::sharing(FS)?;
            let args = unshare(FS | Contexts::from_bits_retain(1 << 62));
            world.refuses(args, Errno::INVAL, Contexts::empty())
        })
        .test(
            "2: CLONE_NEWNS without CLONE_FS: both are unshared",
            implied,
        );
    let four = [FS, FILES, MOUNT, VM];
    (1_u8..16).fold(suite, |suite, choice| {
        let chosen = four
            .iter()
            .enumerate()
            .filter(|(place, _)| choice & 1 << place != 0);
        let bits = chosen.fold(Contexts::empty(), |all, (_, &bit)| all | bit);
        suite.test(
            format!("3: {bits}: these are unshared and no others"),
            move || each(bits),
        )
    })
}

/// The specification means mount namespaces, the only namespaces of its time.
fn implied() -> Result<()> {
    let world = World::sharing(FS)?;
    world.replaces(
        unshare(MOUNT),
        MOUNT | FS,
        &["cwd", "kcmp/fs", "ns/mnt", "root"],
    )?;
    let old = world.sharer.ask(cwd, "")?;
    ensure!(chdir("/proc")? != old);
    ensure!(world.sharer.ask(cwd, "")? == old);
    Ok(())
}

/// Checks by its effects whether each of the four contexts is shared with the sharer.
fn each(bits: Contexts) -> Result<()> {
    let path = folder("spec2006")?;
    stage()?;
    let memory = marked(1, 1, MapFlags::PRIVATE)?;
    let world = World::here(FS | FILES | VM)?;
    let reply = world.device.commit(unshare(bits));
    ensure!(reply.errno.is_none(), "{reply:?}");

    let own_fs = bits.intersects(FS | MOUNT);
    let before = world.sharer.ask(cwd, "")?;
    chdir("/proc")?;
    ensure!((world.sharer.ask(cwd, "")? == before) == own_fs, "fs");

    let opened = open("/proc/version")?;
    let at_sharer = world.sharer.ask(is_open, &opened)?;
    ensure!(at_sharer == (!bits.contains(FILES)).to_string(), "files");

    let before = world.witness.ask(place_of, &path)?;
    mount_tmpfs(&path)?;
    let after = world.witness.ask(place_of, &path)?;
    ensure!((before == after) == bits.contains(MOUNT), "mounts");

    write(memory.start(), 2);
    let at_sharer = world.sharer.ask(peek, &name(memory.start()))?;
    ensure!((at_sharer == "1") == bits.contains(VM), "memory");
    // The syscall agrees: nothing of the request is still shared.
    Ok(syscall(bits.difference(MOUNT))?)
}
