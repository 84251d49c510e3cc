// SPDX-License-Identifier: GPL-2.0-only

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, chmodat, chownat, fstat, mkdirat, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_fd,
    fsconfig_set_flag, fsmount, fsopen, move_mount,
};
use rustix::process::{Gid, Uid, chroot, fchdir};

use crate::mounts::{Proc, Submounts};

/// Covers a directory with one that shows the same and keeps what is written in memory.
pub(crate) fn cover(directory: &Path, proc: &Proc) -> Result<()> {
    let directory = fs::canonicalize(directory)?;
    let lower = open(CWD, &directory)?;
    let submounts = Submounts::copy(&directory, proc)?;

    let memory = tmpfs().context("tmpfs")?;
    // The directory gets its owner and mode from the upper one.
    let upper = make(&memory, "upper", &fstat(&lower)?).context("upper directory")?;
    let work = make(&memory, "work", &fstat(&memory)?).context("work directory")?;
    let overlay = overlay(&lower, &upper, &work).map_err(|error| match error {
        Errno::INVAL => anyhow!("{error}; are mounts below it locked? (--help)"),
        _ => anyhow!("overlay: {error}"),
    })?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&overlay, "", CWD, &directory, flags)?;

    // A path that begins at the root does not cross what is mounted on it.
    if directory == Path::new("/") {
        fchdir(&overlay)?;
        chroot(".")?;
    }
    submounts.put_back()
}

fn tmpfs() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    mount(&context)
}

fn overlay(lower: &OwnedFd, upper: &OwnedFd, work: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_fd(&context, "lowerdir+", lower)?;
    fsconfig_set_fd(&context, "upperdir", upper)?;
    fsconfig_set_fd(&context, "workdir", work)?;
    // Others are denied in a user namespace, and may be those of the container's own overlay.
    fsconfig_set_flag(&context, "userxattr")?;
    fsconfig_create(&context)?;
    mount(&context)
}

fn mount(context: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )
}

fn make(parent: &OwnedFd, name: &str, like: &Stat) -> rustix::io::Result<OwnedFd> {
    mkdirat(parent, name, Mode::RWXU)?;
    let (uid, gid) = (Uid::from_raw(like.st_uid), Gid::from_raw(like.st_gid));
    chownat(
        parent,
        name,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    chmodat(
        parent,
        name,
        Mode::from_raw_mode(like.st_mode),
        AtFlags::empty(),
    )?;
    open(parent, Path::new(name))
}

fn open(parent: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(parent, path, flags, Mode::empty())
}
