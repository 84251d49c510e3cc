// SPDX-License-Identifier: GPL-2.0-only

//! Attaching with `CLONE_FS`: root and working directory, as chroot(2) and fchdir(2) take them from
//! the links of /proc/PID.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use anyhow::Result;
use rustix::io::Errno;
use rustix::process::{chroot, fchdir};
use rustix::thread::CapabilitySet;
use unshare_device::Contexts;

use super::parties::without;
use super::target::Target;
use crate::check::ensure;
use crate::child::in_child;
use crate::conditions::become_user;
use crate::contexts::mount::{folder, mount_tmpfs, stage};
use crate::device::unshare;
use crate::harness::Suite;
use crate::questions::{change_root, chdir, mask};
use crate::world::World;

const FS: Contexts = Contexts::FS;
const MOUNT: Contexts = Contexts::MOUNT;

pub(crate) fn suite() -> Suite {
    Suite::new("attach_fs")
        .test(
            "the caller gets the target's root and cwd and keeps its umask",
            umask_stays,
        )
        .test(
            "from a target with the same root and cwd, the caller gets its own fs_struct",
            same_place,
        )
        .test(
            "with CLONE_NEWNS, the caller gets the target's root, not the namespace's",
            with_namespace,
        )
        .test("the caller is chrooted, as after chroot(2)", chrooted)
        .test(
            "a target that the caller may not trace: EACCES",
            not_to_look_at,
        )
        .test("without CAP_SYS_CHROOT: EPERM", not_to_chroot)
        .test("a root that the caller may not enter: EACCES", root_closed)
        .test("a cwd that the caller may not enter: EACCES", cwd_closed)
        .test(
            "with CLONE_FS unshared too, the result is the same",
            named_twice,
        )
}

/// A target with a root and a working directory of its own.
fn in_sys() -> Result<Target> {
    let target = Target::new(Contexts::empty())?;
    target.ask(change_root, "/sys")?;
    target.ask(chdir, "/kernel")?;
    Ok(target)
}

fn umask_stays() -> Result<()> {
    let target = in_sys()?;
    target.ask(mask, "77")?;
    let own = mask("27")?;
    let world = World::alone()?;
    world.replaces(target.attach(FS), FS, &["cwd", "root"])?;
    ensure!(mask("")? == own, "the umask came along");
    let (own, theirs) = (world.snapshot()?, target.snapshot(&world)?);
    for point in ["root", "cwd"] {
        ensure!(own.get(point)? == theirs.get(point)?, "{point} is another");
    }
    Ok(())
}

fn same_place() -> Result<()> {
    let target = Target::new(Contexts::empty())?;
    World::sharing(FS)?.replaces(target.attach(FS), FS, &["kcmp/fs"])
}

fn with_namespace() -> Result<()> {
    let target = Target::new(MOUNT)?;
    let root = target.ask(change_root, "/sys")?;
    let namespace = in_child(|| {
        let reply = World::alone()?.device.commit(target.attach(MOUNT));
        ensure!(reply.errno.is_none(), "{reply:?}");
        change_root("/")
    })?;
    ensure!(
        namespace != root,
        "CLONE_NEWNS alone took the target's root"
    );
    let world = World::alone()?;
    let reply = world.device.commit(target.attach(MOUNT | FS));
    ensure!(reply.errno.is_none(), "{reply:?}");
    ensure!(world.snapshot()?.get("root")? == root);
    Ok(())
}

fn chrooted() -> Result<()> {
    let target = in_sys()?;
    let world = World::alone()?;
    world.replaces(target.attach(FS), FS, &["cwd", "root"])?;
    ensure!(fs::exists("/kernel")? && !fs::exists("/proc/self")?);
    world.refuses(unshare(Contexts::USER), Errno::PERM, Contexts::USER)
}

/// Returns the errno of opening the links, chroot(2) and fchdir(2).
fn by_syscalls(target: &Target) -> Result<Option<Errno>> {
    let pid = target.pid()?.as_raw_nonzero();
    let follow = || -> std::io::Result<()> {
        let cwd = File::open(format!("/proc/{pid}/cwd"))?;
        chroot(format!("/proc/{pid}/root"))?;
        Ok(fchdir(cwd)?)
    };
    Ok(in_child(|| {
        let error = follow().err().and_then(|error| error.raw_os_error());
        Ok(error.unwrap_or(0).to_string())
    })?
    .parse()
    .map(|errno| (errno != 0).then(|| Errno::from_raw_os_error(errno)))?)
}

/// The request fails as the syscalls do, and nothing changes.
fn refuses_as_syscalls(world: &World, target: &Target, errno: Errno) -> Result<()> {
    let others = by_syscalls(target)?;
    ensure!(others == Some(errno), "the syscalls: {others:?}");
    world.refuses(target.attach(FS), errno, FS)
}

fn not_to_look_at() -> Result<()> {
    let target = in_sys()?;
    let world = World::sharing(FS)?;
    become_user(1000)?;
    refuses_as_syscalls(&world, &target, Errno::ACCESS)
}

fn not_to_chroot() -> Result<()> {
    let target = in_sys()?;
    let world = World::sharing(FS)?;
    without(CapabilitySet::SYS_CHROOT)?;
    refuses_as_syscalls(&world, &target, Errno::PERM)
}

/// Makes a folder that only another user may enter, on a mount that ends with this test.
fn closed(name: &str) -> Result<String> {
    let path = folder(name)?;
    stage()?;
    mount_tmpfs(&path)?;
    chown(&path, Some(1001), Some(1001))?;
    fs::set_permissions(&path, Permissions::from_mode(0o700))?;
    Ok(path)
}

/// Takes from root the right to enter folders that their mode closes.
fn obey_permissions() -> Result<()> {
    without(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH)
}

fn root_closed() -> Result<()> {
    let path = closed("attach-root")?;
    let target = Target::new(Contexts::empty())?;
    target.ask(change_root, &path)?;
    target.ask(chdir, "/")?;
    let world = World::sharing(FS)?;
    obey_permissions()?;
    refuses_as_syscalls(&world, &target, Errno::ACCESS)
}

fn cwd_closed() -> Result<()> {
    let path = closed("attach-cwd")?;
    let target = Target::new(Contexts::empty())?;
    target.ask(chdir, &path)?;
    let world = World::sharing(FS)?;
    obey_permissions()?;
    refuses_as_syscalls(&world, &target, Errno::ACCESS)
}

fn named_twice() -> Result<()> {
    let target = in_sys()?;
    let world = World::sharing(FS)?;
    world.replaces(target.attach_and(FS, FS), FS, &["cwd", "kcmp/fs", "root"])
}
