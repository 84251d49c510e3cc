// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, statx};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

/// The /proc of the caller, which goes on to show what the caller has.
#[derive(Debug)]
pub(crate) struct Proc(OwnedFd);

/// What is mounted below a directory: copies, to be put back when it is covered.
#[derive(Debug)]
pub(crate) struct Submounts(Vec<(OwnedFd, PathBuf)>);

impl Proc {
    pub(crate) fn open() -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = openat(CWD, "/proc", flags, Mode::empty()).context("/proc")?;
        Ok(Self(proc))
    }

    fn mountinfo(&self) -> Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.0, "self/mountinfo", flags, Mode::empty());
        let mut text = Vec::new();
        File::from(file.context("mountinfo")?).read_to_end(&mut text)?;
        Ok(text)
    }
}

impl Submounts {
    /// Copies them, each with all that is mounted on it.
    pub(crate) fn copy(directory: &Path, proc: &Proc) -> Result<Self> {
        let found = statx(CWD, directory, AtFlags::empty(), StatxFlags::MNT_ID)?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let mut copies = Vec::new();
        for path in mounted_on(&proc.mountinfo()?, found.stx_mnt_id) {
            if !path.starts_with(directory) {
                continue;
            }
            match open_tree(CWD, &path, flags) {
                Ok(copy) => copies.push((copy, path)),
                // Another mount hides it.
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => return Err(error).context(path.display().to_string()),
            }
        }
        Ok(Self(copies))
    }

    pub(crate) fn put_back(self) -> Result<()> {
        for (copy, path) in self.0 {
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            move_mount(copy, "", CWD, &path, flags).context(path.display().to_string())?;
        }
        Ok(())
    }
}

/// Where mounts are whose parent has this id.
fn mounted_on(mountinfo: &[u8], parent: u64) -> impl Iterator<Item = PathBuf> {
    let parent = parent.to_string().into_bytes();
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(move |line| {
            let mut words = line.split(|byte| *byte == b' ').skip(1);
            if words.next()? != parent {
                return None;
            }
            Some(PathBuf::from(OsStr::from_bytes(&unescape(words.nth(2)?))))
        })
}

/// Blanks and the like are written in octal.
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut parts = path.split(|byte| *byte == b'\\');
    let mut plain = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(part.len().min(3));
        let byte = digits.iter().fold(0_u8, |byte, digit| {
            byte.wrapping_mul(8).wrapping_add(digit.wrapping_sub(b'0'))
        });
        plain.push(byte);
        plain.extend(rest);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &[u8] = b"\
21 1 0:2 / / rw - rootfs rootfs rw
22 21 0:20 / /proc rw,nosuid shared:5 - proc proc rw
23 22 0:21 / /proc/sys/fs/binfmt_misc rw - binfmt_misc binfmt_misc rw
24 21 8:1 /a /mnt/two\\040words\\134 ro,relatime master:2 - ext4 /dev/sda1 rw
";

    #[test]
    fn children_of_a_mount() {
        let found: Vec<_> = mounted_on(MOUNTINFO, 21).collect();
        let expected = ["/proc", "/mnt/two words\\"].map(PathBuf::from);
        assert_eq!(found, expected);
        assert_eq!(mounted_on(MOUNTINFO, 23).count(), 0);
    }
}
