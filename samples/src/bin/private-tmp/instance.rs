// SPDX-License-Identifier: GPL-2.0-only

//! A user's own instance of a common directory.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use rustix::fs::{
    CWD, Mode, OFlags, StatVfsMountFlags, Uid, fchmod, fstat, mkdirat, openat, stat, statvfs,
};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, mount_remount, move_mount, open_tree,
};

/// Mounts the user's instance over `directory`. Instances are in `parent`, a folder that only root
/// can look into, in a folder that only root can write to: no user can plant one.
pub(crate) fn cover(user: Uid, directory: &str, parent: &str) -> Result<()> {
    let folder = make(CWD, parent).with_context(|| parent.to_owned())?;
    fchmod(&folder, Mode::RWXU)?;
    let name = user.to_string();
    let instance = make(&folder, &name).with_context(|| format!("{parent}/{name}"))?;
    // As /tmp: everybody in the session may write, and remove what is theirs.
    fchmod(&instance, Mode::from_raw_mode(0o1777))?;

    let flags = denied(directory).with_context(|| directory.to_owned())?;
    let clone = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let mount = open_tree(&instance, c"", clone).context(parent.to_owned())?;
    let over = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(mount, c"", CWD, directory, over)
        .and_then(|()| mount_remount(directory, MountFlags::BIND | flags, c""))
        .with_context(|| directory.to_owned())
}

/// What nobody may do with the instance's files: run one where that is denied in the common directory,
/// and have a set-user-ID program or a device.
fn denied(directory: &str) -> rustix::io::Result<MountFlags> {
    let common = statvfs(directory)?.f_flag;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(match common.contains(StatVfsMountFlags::NOEXEC) {
        true => flags | MountFlags::NOEXEC,
        false => flags,
    })
}

/// Whether the two paths lead to one directory: on some systems, /var/tmp is a link to /tmp.
pub(crate) fn is_same(one: &str, other: &str) -> Result<bool> {
    let one = stat(one).with_context(|| one.to_owned())?;
    let other = stat(other).with_context(|| other.to_owned())?;
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

/// Opens the folder, and makes it if it is missing. It is root's own, and no link.
fn make(parent: impl AsFd, name: &str) -> Result<OwnedFd> {
    match mkdirat(&parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(&parent, name, flags, Mode::empty())?;
    let owner = fstat(&folder)?.st_uid;
    ensure!(owner == 0, "belongs to user {owner}, not to root");
    Ok(folder)
}
