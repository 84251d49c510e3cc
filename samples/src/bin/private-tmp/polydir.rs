// SPDX-License-Identifier: GPL-2.0-only

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{
    AtFlags, Gid, Mode, Stat, StatVfsMountFlags, Uid, chownat, fchmod, fstat, fstatvfs, mkdirat,
};
use rustix::io::{self, Errno};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_remount,
    move_mount, open_tree,
};
use rustix::process::umask;
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};

use crate::account::{Account, group_id, user_id};
use crate::config::{Create, Entry};
use crate::directory;

/// The directory that everybody sees, and over which a session's instance is mounted.
#[derive(Debug)]
pub(crate) struct Polydir {
    pub(crate) path: PathBuf,
    place: OwnedFd,
}

impl Polydir {
    /// Opens the directory of `entry`, and makes it if it is missing and the entry says so.
    pub(crate) fn open(entry: &Entry, account: &Account) -> Result<Self> {
        let path = entry.directory(account);
        let place = match (directory::open(&path), &entry.flags.create) {
            (Err(error), Some(create)) if error.downcast_ref() == Some(&Errno::NOENT) => {
                make(&path, create, account).with_context(|| path.display().to_string())?;
                directory::open(&path)?
            }
            (result, _) => result?,
        };
        Ok(Self { path, place })
    }

    /// Its owner and mode, which are an instance's too.
    pub(crate) fn stat(&self) -> Result<Stat> {
        Ok(fstat(&self.place)?)
    }

    /// The SELinux label, which is an instance's too; `None` where there is none.
    pub(crate) fn label(&self) -> Option<Vec<u8>> {
        let mut label = vec![0; 4096];
        let path = directory::path_of(&self.place);
        let length = rustix::fs::getxattr(&path, c"security.selinux", &mut label[..]).ok()?;
        label.truncate(length);
        Some(label)
    }

    /// Mounts the directory `instance` over this one.
    pub(crate) fn cover_with(&self, instance: &OwnedFd) -> Result<()> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let tree = open_tree(instance, c"", flags).context("cannot clone the instance's mount")?;
        self.cover_with_mount(&tree)
    }

    /// Mounts a new tmpfs over this one.
    pub(crate) fn cover_with_tmpfs(&self, options: &str) -> Result<()> {
        let stat = self.stat()?;
        let tmpfs = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&tmpfs, c"mode", format!("{:o}", stat.st_mode & 0o7777))?;
        fsconfig_set_string(&tmpfs, c"uid", stat.st_uid.to_string())?;
        fsconfig_set_string(&tmpfs, c"gid", stat.st_gid.to_string())?;
        let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match (option, option.split_once('=')) {
                ("nosuid" | "nodev", _) => Ok(()),
                ("noexec", _) => {
                    attributes |= MountAttrFlags::MOUNT_ATTR_NOEXEC;
                    Ok(())
                }
                (_, Some((key, value))) => fsconfig_set_string(&tmpfs, key, value),
                (key, None) => fsconfig_set_flag(&tmpfs, key),
            }
            .with_context(|| format!("tmpfs: option {option}"))?;
        }
        fsconfig_create(&tmpfs).context("tmpfs")?;
        self.cover_with_mount(&fsmount(&tmpfs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
    }

    fn cover_with_mount(&self, mount: &OwnedFd) -> Result<()> {
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        let denied = denied(&self.place)? | denied(mount)?;
        move_mount(mount, c"", &self.place, c"", flags).context("cannot mount")?;
        // A bind mount's own flags are those of where the instance is.
        mount_remount(directory::path_of(mount), MountFlags::BIND | denied, c"")
            .context("cannot set the mount's flags")
    }
}

/// What must not be done with files of the mount.
fn denied(mount: &OwnedFd) -> Result<MountFlags> {
    let flags = fstatvfs(mount)?.f_flag;
    let pairs = [
        (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
    ];
    Ok(pairs
        .into_iter()
        .filter_map(|(flag, denied)| flags.contains(flag).then_some(denied))
        .collect())
}

/// Makes the last component of `path`, inside a directory that is there.
fn make(path: &Path, create: &Create, account: &Account) -> Result<()> {
    let (Some(parent), Some(name)) = (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) else {
        bail!("cannot be made");
    };
    let parent = directory::open(parent)?;
    let owner = create.owner.as_deref().map_or(Ok(account.uid), user_id)?;
    let group = create.group.as_deref().map_or(Ok(account.gid), group_id)?;
    let mode = Mode::from_raw_mode(create.mode);

    let made = if directory::keeps_what_is_root_s(&parent)? {
        make_for(&parent, name, owner, group, mode)
    } else {
        make_as(&parent, name, owner, group, mode)
    };
    match made {
        // Somebody else's session was faster.
        Err(Errno::EXIST) => Ok(()),
        result => Ok(result?),
    }
}

fn make_for(parent: &OwnedFd, name: &str, owner: Uid, group: Gid, mode: Mode) -> io::Result<()> {
    mkdirat(parent, name, Mode::empty())?;
    let made = directory::open_child(parent, name)?;
    chownat(&made, c"", Some(owner), Some(group), AtFlags::EMPTY_PATH)?;
    fchmod(&made, mode)
}

/// Where others could put something else in the new directory's place before it is given away, its
/// owner makes it.
fn make_as(parent: &OwnedFd, name: &str, owner: Uid, group: Gid, mode: Mode) -> io::Result<()> {
    let umask = umask(Mode::empty());
    set_thread_res_gid(None, group, None)?;
    set_thread_res_uid(None, owner, None)?;
    let made = mkdirat(parent, name, mode);
    set_thread_res_uid(None, Uid::ROOT, None)?;
    set_thread_res_gid(None, Gid::ROOT, None)?;
    rustix::process::umask(umask);
    made
}
