// SPDX-License-Identifier: GPL-2.0-only

//! Two ways to an address space of one's own, from the same parent: fork(2), and the ioctl in a
//! vfork child. The second is to come out as the first.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::{Device, unshare};
use crate::vfork::vfork;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twin {
    /// Has had its own since its birth.
    Forked,
    /// Has asked for it.
    Unshared,
}

impl Twin {
    /// What the twin sees that leaves its parent at this moment.
    pub(crate) fn look(self, look: impl FnOnce() -> Result<String>) -> Result<String> {
        let device = Device::open()?;
        let shared = match self {
            Self::Forked => Contexts::empty(),
            Self::Unshared => Contexts::VM,
        };
        let child = vfork(shared, || {
            // Makes room on the stack and in the heap in both, and replaces nothing in the first.
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
