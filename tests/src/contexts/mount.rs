// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_NEWNS` and `CLONE_EMPTY_MNTNS`: mounts, and the root and working directory in them.

use std::fs::{self, File};

use anyhow::Result;
use rustix::fs::{AtFlags, StatxFlags, statx};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::getpid;
use unshare_device::Contexts;

use crate::backend::syscall;
use crate::check::ensure;
use crate::device::{UNSHARE_EMPTY_MNTNS, unshare};
use crate::harness::Suite;
use crate::oracle::inode;
use crate::questions::{change_root, chdir, place_of, read, root};
use crate::world::World;

const MOUNT: Contexts = Contexts::MOUNT;
/// What a new mount namespace replaces: the caller gets its own root and cwd in it.
const REPLACED: Contexts = Contexts::MOUNT.union(Contexts::FS);

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("mount")
        .test("other tasks do not see what the caller mounts", own_mount)
        .test(
            "the caller does not see what other tasks mount",
            others_mount,
        )
        .test("each mount keeps its propagation", propagation)
        .test(
            "root and cwd are the same directories in the new namespace",
            same_places,
        )
        .test(
            "a cwd on another mount moves to the copy of that mount",
            cwd_on_mount,
        )
        .test("a chrooted caller stays in its root", chrooted)
        .test(
            "a sharer of the fs_struct keeps its root and cwd",
            sharer_stays,
        )
        .test(
            "an open descriptor stays on the old mount",
            descriptor_stays,
        );
    [
        ("CLONE_EMPTY_MNTNS", Contexts::EMPTY_MNTNS),
        ("UNSHARE_EMPTY_MNTNS", UNSHARE_EMPTY_MNTNS),
        (
            "CLONE_NEWNS with both",
            MOUNT | Contexts::EMPTY_MNTNS | UNSHARE_EMPTY_MNTNS,
        ),
    ]
    .into_iter()
    .fold(suite, |suite, (name, bits)| {
        suite.test(
            format!("{name}: the root mount alone, and root and cwd on it"),
            move || empty(bits),
        )
    })
}

/// Returns a new, empty folder for this test, on which nothing is mounted.
pub(crate) fn folder(name: &str) -> Result<String> {
    let path = format!("/tmp/unshare-tests-{name}");
    fs::create_dir_all(&path)?;
    Ok(path)
}

/// Gives the caller mounts that end with this test and receive no mount from elsewhere.
pub(crate) fn stage() -> Result<()> {
    syscall(MOUNT)?;
    propagate(MountPropagationFlags::PRIVATE)
}

fn propagate(how: MountPropagationFlags) -> Result<()> {
    Ok(mount_change("/", how | MountPropagationFlags::REC)?)
}

/// A question: mounts a tmpfs over `path`.
pub(crate) fn mount_tmpfs(path: &str) -> Result<String> {
    mount("none", path, "tmpfs", MountFlags::empty(), None)?;
    place_of(path)
}

/// Returns how many mounts the caller's namespace has, as seen from outside.
fn mounts(world: &World) -> Result<usize> {
    let path = format!("/proc/{}/mountinfo", getpid().as_raw_nonzero());
    Ok(world.witness.ask(read, &path)?.lines().count())
}

fn own_mount() -> Result<()> {
    let path = folder("own-mount")?;
    stage()?;
    let world = World::here(Contexts::empty())?;
    world.replaces(unshare(MOUNT), REPLACED, &["cwd", "ns/mnt", "root"])?;
    let old = world.witness.ask(place_of, &path)?;
    ensure!(mount_tmpfs(&path)? != old);
    ensure!(world.witness.ask(place_of, &path)? == old);
    Ok(())
}

fn others_mount() -> Result<()> {
    let path = folder("others-mount")?;
    stage()?;
    let world = World::here(Contexts::empty())?;
    world.replaces(unshare(MOUNT), REPLACED, &["cwd", "ns/mnt", "root"])?;
    let old = place_of(&path)?;
    let mounted = world.witness.ask(mount_tmpfs, &path)?;
    ensure!(mounted == world.witness.ask(place_of, &path)?);
    ensure!(place_of(&path)? == old);
    Ok(())
}

fn propagation() -> Result<()> {
    let path = folder("propagation")?;
    stage()?;
    propagate(MountPropagationFlags::SHARED)?;
    let world = World::here(Contexts::empty())?;
    world.replaces(unshare(MOUNT), REPLACED, &["cwd", "ns/mnt", "root"])?;
    let old = place_of(&path)?;
    world.witness.ask(mount_tmpfs, &path)?;
    ensure!(place_of(&path)? != old, "the mount did not propagate");
    Ok(())
}

fn same_places() -> Result<()> {
    let world = World::alone()?;
    chdir("/lib")?;
    let before = world.snapshot()?;
    world.replaces(unshare(MOUNT), REPLACED, &["cwd", "ns/mnt", "root"])?;
    let after = world.snapshot()?;
    for point in ["root", "cwd"] {
        ensure!(inode(before.get(point)?)? == inode(after.get(point)?)?);
    }
    ensure!(after.get("root")? == place_of("/")?);
    ensure!(after.get("cwd")? == place_of("/lib")?);
    Ok(())
}

fn cwd_on_mount() -> Result<()> {
    let world = World::alone()?;
    chdir("/proc")?;
    world.replaces(unshare(MOUNT), REPLACED, &["cwd", "ns/mnt", "root"])?;
    ensure!(place_of(".")? == place_of("/proc")?);
    Ok(())
}

fn chrooted() -> Result<()> {
    let world = World::alone()?;
    let before = change_root("/sys")?;
    chdir("/")?;
    world.replaces(unshare(MOUNT), REPLACED, &["cwd", "ns/mnt", "root"])?;
    let after = root("")?;
    ensure!(after != before, "still on the old mount");
    ensure!(inode(&after)? == inode(&before)?);
    Ok(())
}

fn sharer_stays() -> Result<()> {
    let world = World::sharing(Contexts::FS)?;
    let before = world.snapshot_of_sharer()?;
    let points = ["cwd", "kcmp/fs", "ns/mnt", "root"];
    world.replaces(unshare(MOUNT), REPLACED, &points)?;
    let changed = before.changed(&world.snapshot_of_sharer()?);
    ensure!(changed.iter().eq(["kcmp/fs"]), "the sharer's {changed:?}");
    Ok(())
}

fn descriptor_stays() -> Result<()> {
    let world = World::alone()?;
    let file = File::open("/proc/version")?;
    let mount_of = |file: &File| statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID);
    let before = mount_of(&file)?.stx_mnt_id;
    world.replaces(unshare(MOUNT), REPLACED, &["cwd", "ns/mnt", "root"])?;
    ensure!(mount_of(&file)?.stx_mnt_id == before);
    ensure!(mount_of(&File::open("/proc/version")?)?.stx_mnt_id != before);
    Ok(())
}

fn empty(bits: Contexts) -> Result<()> {
    let world = World::sharing(Contexts::FS)?;
    chdir("/proc")?;
    ensure!(mounts(&world)? > 1);
    let points = ["cwd", "kcmp/fs", "ns/mnt", "root"];
    world.replaces(unshare(bits), REPLACED, &points)?;
    ensure!(mounts(&world)? == 1);
    let after = world.snapshot()?;
    ensure!(after.get("root")? == after.get("cwd")?);
    ensure!(
        fs::metadata("/proc/self").is_err(),
        "/proc is still mounted"
    );
    Ok(())
}
