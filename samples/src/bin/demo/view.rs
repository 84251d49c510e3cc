// SPDX-License-Identifier: GPL-2.0-only

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// What the world looks like to a task.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) host: String,
    pub(crate) directory: PathBuf,
    /// Octal.
    pub(crate) umask: String,
    /// How many are open.
    pub(crate) descriptors: usize,
    /// How many there are in its mount namespace.
    pub(crate) mounts: usize,
}

impl View {
    /// That of the calling task.
    pub(crate) fn own() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let umask = status
            .lines()
            .find_map(|line| line.strip_prefix("Umask:"))
            .context("/proc/self/status: no Umask")?;
        let host = rustix::system::uname();
        Ok(Self {
            host: host.nodename().to_string_lossy().into_owned(),
            directory: std::env::current_dir()?,
            umask: umask.trim().to_owned(),
            // Less the one that reads them.
            descriptors: fs::read_dir("/proc/self/fd")?.count() - 1,
            mounts: fs::read_to_string("/proc/self/mountinfo")?.lines().count(),
        })
    }

    /// As one line.
    pub(crate) fn to_line(&self) -> String {
        let directory = self.directory.display();
        format!(
            "{}\t{directory}\t{}\t{}\t{}\n",
            self.host, self.umask, self.descriptors, self.mounts
        )
    }

    /// Of what [`to_line`](Self::to_line) made.
    pub(crate) fn from_line(line: &str) -> Result<Self> {
        let mut words = line.trim_end().split('\t');
        let mut word = || words.next().with_context(|| line.to_owned());
        Ok(Self {
            host: word()?.to_owned(),
            directory: word()?.into(),
            umask: word()?.to_owned(),
            descriptors: word()?.parse()?,
            mounts: word()?.parse()?,
        })
    }
}
