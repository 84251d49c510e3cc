// SPDX-License-Identifier: GPL-2.0-only

//! A cgroup with a controller, which lasts as long as a test.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::getpid;

use crate::child::{Child, skip};
use crate::mailbox::Mailbox;
use crate::memory::field_of;
use crate::rseq;

/// Removed when dropped; its tasks then move to the root.
pub(crate) struct Cgroup(PathBuf);

const SOON: Duration = Duration::from_secs(20);
const ROOT: &str = "/sys/fs/cgroup";

impl Cgroup {
    /// Makes one with a controller of `cgroup.controllers`: `memory`, `pids`.
    pub(crate) fn new(name: &str, controller: &str) -> Result<Self> {
        let controllers = fs::read_to_string(format!("{ROOT}/cgroup.controllers"))?;
        if !controllers.split_whitespace().any(|one| one == controller) {
            return skip(format!("this kernel has no {controller} cgroups"));
        }
        let enable = format!("+{controller}");
        fs::write(format!("{ROOT}/cgroup.subtree_control"), enable)?;
        // A killed test leaves its cgroup behind.
        let path = PathBuf::from(format!("{ROOT}/{name}-{}", getpid().as_raw_nonzero()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    pub(crate) fn add(&self, pid: i32) -> Result<()> {
        self.set("cgroup.procs", &pid.to_string())
    }

    pub(crate) fn set(&self, file: &str, value: &str) -> Result<()> {
        fs::write(self.0.join(file), value).with_context(|| format!("{file} = {value}"))
    }

    /// Runs `work` in the caller with `room` bytes more than the caller has, and without the OOM
    /// killer. The limit is lifted after two seconds at the latest, because the caller may also
    /// wait for a page of its own.
    pub(crate) fn with_room<T>(&self, room: usize, work: impl FnOnce() -> T) -> Result<T> {
        const LIMIT: u32 = 1;
        const LIMITED: u32 = 2;
        const DONE: u32 = 3;
        const LIFTED: u32 = 4;
        let mailbox = Mailbox::new()?;
        let page = mailbox.page();
        // The helper is outside of the cgroup, so it can open files meanwhile.
        let helper = Child::spawn(|| {
            page.wait(&[LIMIT], SOON);
            // With a low limit, the kernel returns what each processor has charged in advance.
            self.set("memory.max", "0")?;
            let used = fs::read_to_string(self.0.join("memory.current"))?;
            let used: usize = used.trim().parse()?;
            self.set("memory.max", &(used + room).to_string())?;
            page.post(LIMITED, "");
            page.wait(&[DONE], Duration::from_secs(2));
            self.set("memory.max", "max")?;
            page.post(LIFTED, "");
            Ok(String::new())
        })?;
        fs::write("/proc/self/oom_score_adj", "-1000")?;
        self.add(getpid().as_raw_nonzero().get())?;
        rseq::unregister()?;
        page.post(LIMIT, "");
        page.wait(&[LIMITED], SOON);
        let outcome = work();
        page.post(DONE, "");
        // The wait itself needs memory.
        page.wait(&[LIFTED], SOON);
        helper.report(SOON)?;
        Ok(outcome)
    }

    /// Returns the bytes of anonymous memory that are charged to the cgroup.
    pub(crate) fn anon(&self) -> Result<u64> {
        self.number("memory.stat", "anon")
    }

    /// Returns the number of a line `name value` in a file.
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
