// SPDX-License-Identifier: GPL-2.0-only

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, openat};

/// This process's folder in the /proc of before the request. The task may not be in the one of after.
#[derive(Debug)]
pub(crate) struct OwnFiles(OwnedFd);

impl OwnFiles {
    pub(crate) fn open() -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, "/proc/self/", flags, Mode::empty());
        Ok(Self(folder.context("/proc/self")?))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        openat(&self.0, name, flags, Mode::empty())
            .map_err(Into::into)
            .and_then(|file| File::from(file).write_all(text.as_bytes()))
            .with_context(|| format!("/proc/self/{name}: cannot write {text:?}"))
    }
}

impl std::os::fd::AsRawFd for OwnFiles {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}
