// SPDX-License-Identifier: GPL-2.0-only

//! A cgroup with a controller, for the length of a test.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::child::skip;
use crate::memory::field_of;

/// Removed when dropped; its tasks go to the root before.
pub(crate) struct Cgroup(PathBuf);

const ROOT: &str = "/sys/fs/cgroup";

impl Cgroup {
    /// With a controller as in `cgroup.controllers`: `memory`, `pids`.
    pub(crate) fn new(name: &str, controller: &str) -> Result<Self> {
        let controllers = fs::read_to_string(format!("{ROOT}/cgroup.controllers"))?;
        if !controllers.split_whitespace().any(|one| one == controller) {
            return skip(format!("this kernel has no {controller} cgroups"));
        }
        let enable = format!("+{controller}");
        fs::write(format!("{ROOT}/cgroup.subtree_control"), enable)?;
        let path = PathBuf::from(format!("{ROOT}/{name}"));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    pub(crate) fn add(&self, pid: i32) -> Result<()> {
        self.set("cgroup.procs", &pid.to_string())
    }

    pub(crate) fn set(&self, file: &str, value: &str) -> Result<()> {
        fs::write(self.0.join(file), value).with_context(|| format!("{file} = {value}"))
    }

    /// The bytes of anonymous memory that are charged to it.
    pub(crate) fn anon(&self) -> Result<u64> {
        self.number("memory.stat", "anon")
    }

    /// A number in a file of lines `name value`.
    pub(crate) fn number(&self, file: &str, name: &str) -> Result<u64> {
        let path = self.0.join(file);
        Ok(field_of(path.to_str().context("no text")?, name)?.parse()?)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let tasks = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        for task in tasks.lines() {
            let _ = fs::write(format!("{ROOT}/cgroup.procs"), task);
        }
        let _ = fs::remove_dir(&self.0);
    }
}
