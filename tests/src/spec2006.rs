// SPDX-License-Identifier: GPL-2.0-only

//! The test specification in Documentation/userspace-api/unshare.rst, section 8, by its numbers.
//!
//! Its "signal handlers" can be named today, so item 1 is about what is shared of them.

use anyhow::{Result, ensure};
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::backend::syscall;
use crate::contexts::mount::{folder, mount_tmpfs, stage};
use crate::device::unshare;
use crate::harness::Suite;
use crate::questions::{chdir, cwd, is_open, open, place_of};
use crate::world::World;

const FS: Contexts = Contexts::FS;
const FILES: Contexts = Contexts::FILES;
const MOUNT: Contexts = Contexts::MOUNT;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("spec2006")
        .test("1: signal handlers that are shared: EINVAL", || {
            let world = World::sharing(Contexts::VM | Contexts::SIGHAND)?;
            world.refuses(unshare(Contexts::SIGHAND), Errno::INVAL, Contexts::SIGHAND)
        })
        .test("1: signals that are shared: EINVAL", || {
            let world = World::alone()?;
            std::thread::scope(|scope| {
                let (done, wait) = std::sync::mpsc::channel::<()>();
                scope.spawn(move || wait.recv().is_err());
                let args = unshare(Contexts::THREAD);
                let outcome = world.refuses(args, Errno::INVAL, Contexts::THREAD);
                drop(done);
                outcome
            })
        })
        .test("1: flags that are none: EINVAL", || {
            let world = World::sharing(FS)?;
            let args = unshare(FS | Contexts::from_bits_retain(1 << 62));
            world.refuses(args, Errno::INVAL, Contexts::empty())
        })
        .test(
            "2: the namespace without the file system: both are unshared",
            implied,
        );
    [
        FS,
        FILES,
        MOUNT,
        FS | FILES,
        FS | MOUNT,
        FILES | MOUNT,
        FS | FILES | MOUNT,
    ]
    .into_iter()
    .fold(suite, |suite, bits| {
        suite.test(format!("3: {bits}: unshared, the others not"), move || {
            each(bits)
        })
    })
}

/// Namespaces of mounts are what the specification means: the only ones there were.
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

/// By what a program notices: each of the three is the sharer's too, or it is not.
fn each(bits: Contexts) -> Result<()> {
    let path = folder("spec2006")?;
    stage()?;
    let world = World::here(FS | FILES)?;
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
    // The syscall's verdict: nothing that was asked for is left to do.
    Ok(syscall(bits.difference(MOUNT))?)
}
