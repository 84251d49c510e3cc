// SPDX-License-Identifier: GPL-2.0-only

//! Attaching and then unsharing: as two calls in a row, but all or nothing.

use std::fs;

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use super::effects::map;
use super::kinds::taken;
use super::target::{AHEAD, ATTACHABLE, KINDS, Target};
use crate::atomicity;
use crate::check::ensure;
use crate::conditions::with_thread;
use crate::contexts::mount::{folder, mount_tmpfs};
use crate::contexts::time::seconds;
use crate::everything::{PROCESS, SHARED};
use crate::harness::Suite;
use crate::machine::Setting;
use crate::oracle::inode;
use crate::questions::{change_root, hostname, place_of, set_hostname};
use crate::world::World;

const MOUNT: Contexts = Contexts::MOUNT;
const USER: Contexts = Contexts::USER;
const NONE: Contexts = Contexts::empty();

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("attach_and_unshare")
        .test(
            "the caller gets a private copy of the target's mounts",
            mounts,
        )
        .test(
            "the caller gets a private copy of the target's host name",
            host_name,
        )
        .test(
            "the caller gets an empty mount namespace with the target's root",
            empty_mount,
        )
        .test(
            "the caller gets a user namespace below the target's",
            user_below,
        )
        .test(
            "a user namespace with an attached root: EPERM, as in a chroot",
            user_in_chroot,
        )
        .test(
            "with CLONE_VM, the clock offsets apply only to the caller",
            clocks,
        )
        .test(
            "all that a process shares is unshared in the same request",
            with_process,
        )
        .test(
            "in a thread, what requires a single-threaded process: EINVAL",
            in_thread,
        );
    atomicity::KINDS
        .into_iter()
        .fold(suite, |suite, (kind, bit)| {
            suite.test(
                format!("no {kind} namespaces left: ENOSPC, {bit}"),
                move || limited(kind, bit),
            )
        })
}

fn mounts() -> Result<()> {
    let [before, after] = ["attach-before", "attach-after"].map(folder);
    let [before, after] = [before?, after?];
    let target = Target::new(MOUNT)?;
    let theirs = target.ask(mount_tmpfs, &before)?;
    let world = World::alone()?;
    let request = target.attach_and(MOUNT, MOUNT);
    taken(&world, request, MOUNT | Contexts::FS)?;
    let own = place_of(&before)?;
    ensure!(
        inode(&own)? == inode(&theirs)?,
        "the target's mount is missing"
    );
    ensure!(own != theirs, "the mount is the target's own");
    let empty = target.ask(place_of, &after)?;
    ensure!(mount_tmpfs(&after)? != empty);
    ensure!(target.ask(place_of, &after)? == empty);
    Ok(())
}

fn host_name() -> Result<()> {
    let target = Target::new(Contexts::UTS)?;
    target.ask(set_hostname, "of-the-target")?;
    let world = World::alone()?;
    let request = target.attach_and(Contexts::UTS, Contexts::UTS);
    world.replaces(request, Contexts::UTS, &["ns/uts"])?;
    ensure!(hostname("")? == "of-the-target");
    set_hostname("of-the-caller")?;
    ensure!(target.ask(hostname, "")? == "of-the-target");
    Ok(())
}

fn empty_mount() -> Result<()> {
    let target = Target::new(MOUNT)?;
    let world = World::alone()?;
    let request = target.attach_and(MOUNT, Contexts::EMPTY_MNTNS);
    taken(&world, request, MOUNT | Contexts::FS)?;
    let (own, theirs) = (world.snapshot()?, target.snapshot(&world)?);
    ensure!(inode(own.get("root")?)? == inode(theirs.get("root")?)?);
    ensure!(
        fs::metadata("/proc/self").is_err(),
        "/proc is still mounted"
    );
    Ok(())
}

fn user_below() -> Result<()> {
    let target = Target::new(USER)?;
    let world = World::sharing(SHARED)?;
    // In the new namespace no ID is mapped yet, so the caller cannot make another one.
    world.refuses(target.attach_and(USER, USER), Errno::PERM, USER)?;
    target.ask(map, "")?;
    let points = ["kcmp/fs", "ns/user"];
    world.replaces(target.attach_and(USER, USER), USER | Contexts::FS, &points)?;
    let theirs = target.snapshot(&world)?;
    ensure!(world.snapshot()?.get("ns/user")? != theirs.get("ns/user")?);
    Ok(())
}

fn user_in_chroot() -> Result<()> {
    let target = Target::new(NONE)?;
    target.ask(change_root, "/sys")?;
    let world = World::sharing(SHARED)?;
    let request = target.attach_and(Contexts::FS, USER);
    world.refuses(request, Errno::PERM, USER)
}

fn clocks() -> Result<()> {
    let target = Target::new(Contexts::TIME)?;
    let world = World::sharing(PROCESS)?;
    let request = target.attach(Contexts::TIME);
    world.refuses(request, Errno::USERS, Contexts::TIME)?;
    let before = seconds();
    let request = target.attach_and(Contexts::TIME, Contexts::VM);
    let replaced = Contexts::TIME | Contexts::VM | Contexts::SIGHAND;
    taken(&world, request, replaced)?;
    ensure!(
        seconds() >= before + AHEAD,
        "the clock is still the old one"
    );
    let sharers: i64 = world.sharer.ask(clock, "")?.parse()?;
    ensure!(sharers < before + AHEAD, "the sharer's clock has changed");
    Ok(())
}

/// A [`Question`](crate::sharer::Question): returns the time of the clock.
pub(super) fn clock(_: &str) -> Result<String> {
    Ok(seconds().to_string())
}

fn with_process() -> Result<()> {
    let target = Target::new(KINDS)?;
    let world = World::sharing(PROCESS)?;
    let before = world.snapshot_of_sharer()?;
    taken(
        &world,
        target.attach_and(ATTACHABLE, PROCESS),
        ATTACHABLE | PROCESS,
    )?;
    let mut changed = before.changed(&world.snapshot_of_sharer()?);
    changed.retain(|point| !point.starts_with("kcmp/"));
    ensure!(changed.is_empty(), "the sharer's {changed:?} changed");
    Ok(())
}

fn in_thread() -> Result<()> {
    let target = Target::new(KINDS)?;
    let mut world = World::sharing(SHARED)?;
    with_thread(&mut world, &mut |world| {
        let single = Contexts::VM | Contexts::SIGHAND | USER;
        for bit in single.each() {
            let request = target.attach_and(MOUNT, bit | SHARED);
            world.refuses(request, Errno::INVAL, Contexts::THREAD)?;
        }
        let request = target.attach_and(USER, SHARED);
        world.refuses(request, Errno::INVAL, Contexts::THREAD)?;
        Ok(String::new())
    })
    .map(drop)
}

/// The last step of the second half fails, and nothing of the first half remains.
fn limited(kind: &str, bit: Contexts) -> Result<()> {
    // A second PID namespace cannot be made on top of one that was attached.
    let attached = match bit {
        Contexts::PID => ATTACHABLE.difference(Contexts::PID),
        _ => ATTACHABLE,
    };
    let target = Target::new(KINDS)?;
    let world = World::sharing(PROCESS)?;
    let _limit = Setting::sysctl(&format!("user/max_{kind}_namespaces"), "0")?;
    world.refuses(
        target.attach_and(attached, bit | PROCESS),
        Errno::NOSPC,
        bit,
    )
}
