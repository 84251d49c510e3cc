// SPDX-License-Identifier: GPL-2.0-only

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat, stat};
use rustix::process::{Pid, chdir, chroot};

/// The root directory of a process, which is not that of its mount namespace if it is chrooted.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    directory: OwnedFd,
}

impl Root {
    pub(crate) fn of(pid: Pid) -> Result<Self> {
        let link = format!("/proc/{}/root", pid.as_raw_nonzero());
        let path = fs::read_link(&link).with_context(|| link.clone())?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, &link, flags, Mode::empty()).context(link)?;
        Ok(Self { path, directory })
    }

    /// Makes the same directory the root in the copy of the process's mount namespace.
    ///
    /// The descriptor leads to the process's own mounts, so the path leads there. The container may
    /// have moved the directory since.
    pub(crate) fn enter(&self) -> Result<()> {
        if self.path == Path::new("/") {
            return Ok(());
        }
        let shown = self.path.display();
        let found = stat(&self.path).with_context(|| shown.to_string())?;
        let expected = fstat(&self.directory)?;
        ensure!(
            (found.st_dev, found.st_ino) == (expected.st_dev, expected.st_ino),
            "{shown}: no longer the root directory of the process"
        );
        chroot(&self.path).with_context(|| format!("chroot to {shown}"))?;
        Ok(chdir("/")?)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}
