// SPDX-License-Identifier: GPL-2.0-only

use anyhow::{Context, Result};
use rustix::io;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, capabilities, configure_capability_in_ambient_set, set_capabilities,
    set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// The user and the group that a command gets, without supplementary groups.
#[derive(Debug)]
#[must_use = "ids change when everything else is done"]
pub struct Credentials {
    user: Option<Uid>,
    group: Option<Gid>,
    groups: io::Result<()>,
}

impl Credentials {
    /// Before the request: gives up the groups, since the user namespace may deny setgroups(2).
    ///
    /// Without a user or group, that stays as it is; without a group, the groups stay too.
    pub fn prepare(user: Option<u32>, group: Option<u32>) -> Self {
        Self {
            user: user.map(Uid::from_raw),
            group: group.map(Gid::from_raw),
            groups: group.map_or(Ok(()), |_| set_thread_groups(&[])),
        }
    }

    /// Root of a user namespace, as nsenter(1) has its command.
    pub fn root() -> Self {
        Self::prepare(Some(0), Some(0))
    }

    /// After the request: changes the ids.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the user namespace has no such id; `EPERM` when the groups could be given up
    /// neither before nor now.
    pub fn take(self) -> Result<()> {
        if let Some(gid) = self.group {
            set_thread_groups(&[])
                .or(self.groups)
                .context("setgroups")?;
            set_thread_res_gid(gid, gid, gid).with_context(|| format!("setresgid to {gid}"))?;
        }
        if let Some(uid) = self.user {
            set_thread_res_uid(uid, uid, uid).with_context(|| format!("setresuid to {uid}"))?;
        }
        Ok(())
    }

    /// The same, but the command has the capabilities that this task has now.
    ///
    /// # Errors
    ///
    /// As for [`take`](Self::take); `EPERM` when the securebits forbid it.
    pub fn take_with_capabilities(self) -> Result<()> {
        set_keep_capabilities(true).context("PR_SET_KEEPCAPS")?;
        self.take()?;
        let mut sets = capabilities(None).context("capget")?;
        sets.effective = sets.permitted;
        sets.inheritable = sets.permitted;
        set_capabilities(None, sets).context("capset")?;
        for capability in sets.permitted.iter().filter(is_known) {
            configure_capability_in_ambient_set(capability, true)
                .context("PR_CAP_AMBIENT_RAISE")?;
        }
        Ok(())
    }
}

/// Whether it is one capability, with a name.
fn is_known(capability: &CapabilitySet) -> bool {
    capability.bits().count_ones() == 1
}
