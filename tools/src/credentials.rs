// SPDX-License-Identifier: GPL-2.0-only

use anyhow::{Context, Result};
use rustix::io;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Root, without supplementary groups, in the user namespace of another task: what nsenter(1)
/// makes of who enters one.
#[derive(Debug)]
#[must_use = "ids change when all else is done"]
pub struct RootOfNamespace {
    groups: io::Result<()>,
}

impl RootOfNamespace {
    /// Before it is entered: gives up the groups, for a namespace where setgroups(2) is denied.
    pub fn prepare() -> Self {
        Self {
            groups: set_thread_groups(&[]),
        }
    }

    /// After it was entered: changes the ids.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the namespace has no root; `EPERM` when the groups could be given up neither
    /// before nor now.
    pub fn become_root(self) -> Result<()> {
        set_thread_groups(&[])
            .or(self.groups)
            .context("setgroups")?;
        set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).context("setresgid to 0")?;
        set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).context("setresuid to 0")
    }
}
