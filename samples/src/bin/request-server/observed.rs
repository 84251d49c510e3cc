// SPDX-License-Identifier: GPL-2.0-only

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// What others can see of a process, which its workers must not change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    directory: PathBuf,
    umask: String,
    descriptors: BTreeMap<String, PathBuf>,
    host: String,
    mounts: String,
}

impl Observed {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let path = |name: &str| format!("/proc/{pid}/{name}");
        let status = fs::read_to_string(path("status"))?;
        let umask = status.lines().find(|line| line.starts_with("Umask:"));
        let mut descriptors = BTreeMap::new();
        for entry in fs::read_dir(path("fd"))? {
            let entry = entry?;
            // A descriptor that was closed meanwhile is missing.
            if let Ok(target) = fs::read_link(entry.path()) {
                let number = entry.file_name().to_string_lossy().into_owned();
                descriptors.insert(number, target);
            }
        }
        Ok(Self {
            directory: fs::read_link(path("cwd"))?,
            umask: umask.context("no umask in status")?.to_owned(),
            descriptors,
            host: fs::read_to_string("/proc/sys/kernel/hostname")?,
            mounts: fs::read_to_string(path("mountinfo"))?,
        })
    }
}
