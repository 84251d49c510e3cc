// SPDX-License-Identifier: GPL-2.0-only

//! Directories that are reached without walking over what somebody else could have laid in the way.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

/// Opens a directory, as a place (`O_PATH`).
///
/// Symbolic links are followed only where root alone can have made them: in directories that are
/// root's, below directories that are root's, and that nobody else may write to.
pub(crate) fn open(path: &Path) -> Result<OwnedFd> {
    let mut directory = place(CWD, Path::new("/"), OFlags::empty())?;
    let mut is_roots = true;
    let mut walked = PathBuf::from("/");
    for component in path.components() {
        let name = match component {
            Component::RootDir | Component::CurDir => continue,
            Component::Normal(name) => Path::new(name),
            Component::ParentDir | Component::Prefix(_) => {
                bail!("{}: has a \"..\"", path.display())
            }
        };
        walked.push(name);
        is_roots &= is_safe(&fstat(&directory)?);
        directory = match place(directory.as_fd(), name, OFlags::NOFOLLOW) {
            Err(Errno::NOTDIR | Errno::LOOP) if is_roots => {
                place(directory.as_fd(), name, OFlags::empty())
            }
            result => result,
        }
        .with_context(|| match is_roots {
            true => walked.display().to_string(),
            false => format!("{} (no link is followed here)", walked.display()),
        })?;
    }
    Ok(directory)
}

/// Whether what root makes in the directory stays what it is: nobody else can put something else in
/// its place.
pub(crate) fn keeps_what_is_root_s(directory: impl AsFd) -> Result<bool> {
    let stat = fstat(directory)?;
    Ok(
        is_safe(&stat)
            || stat.st_uid == 0 && Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX),
    )
}

/// Opens the directory `name` in `parent` itself, to read and to change it: no link.
pub(crate) fn open_child(parent: impl AsFd, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// A path to what the descriptor is open for, for calls that take nothing else.
pub(crate) fn path_of(fd: impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()).into()
}

fn place(parent: BorrowedFd<'_>, name: &Path, follow: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | follow;
    openat(parent, name, flags, Mode::empty())
}

/// Whether root alone can put something into the directory.
fn is_safe(stat: &Stat) -> bool {
    stat.st_uid == 0 && stat.st_mode & 0o022 == 0
}
