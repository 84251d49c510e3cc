// SPDX-License-Identifier: GPL-2.0-only

//! Two ways to a copy of the same parent's address space: fork(2), and the ioctl in a vfork child.
//! Both must have the same result.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::{Device, unshare};
use crate::vfork::vfork;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twin {
    /// Has had its own memory since its start.
    Forked,
    /// Has requested its own memory.
    Unshared,
}

impl Twin {
    /// Returns what the twin sees right after it has left its parent.
    pub(crate) fn look(self, look: impl FnOnce() -> Result<String>) -> Result<String> {
        let device = Device::open()?;
        let shared = match self {
            Self::Forked => Contexts::empty(),
            Self::Unshared => Contexts::VM,
        };
        let child = vfork(shared, || {
            // Uses stack and heap in both; replaces nothing in the forked one.
            let reply = device.commit(unshare(Contexts::VM));
            ensure!(
                reply.errno.is_none() && reply.replaced == shared,
                "{reply:?}"
            );
            look()
        })?;
        child.report(Duration::from_secs(60))
    }
}

impl fmt::Display for Twin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forked => "forked",
            Self::Unshared => "unshared",
        })
    }
}
