// SPDX-License-Identifier: GPL-2.0-only

use std::path::Path;

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use crate::options::Propagation;

/// Sets the propagation of every mount in the namespace.
pub(crate) fn propagate(propagation: Propagation) -> Result<()> {
    let kind = match propagation {
        Propagation::Private => MountPropagationFlags::PRIVATE,
        Propagation::Shared => MountPropagationFlags::SHARED,
        Propagation::Slave => MountPropagationFlags::DOWNSTREAM,
        Propagation::Unchanged => return Ok(()),
    };
    mount_change("/", kind | MountPropagationFlags::REC).context("/: cannot set the propagation")
}

/// Mounts a new proc on `directory`, out of sight of other namespaces.
pub(crate) fn mount_proc(directory: &Path) -> Result<()> {
    let name = directory.display();
    // What is there may be no mount, or one that spreads to other namespaces.
    match mount_change(
        directory,
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    ) {
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(error) => return Err(error).with_context(|| format!("{name}")),
    }
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    mount(c"proc", directory, c"proc", flags, None)
        .with_context(|| format!("{name}: cannot mount proc"))
}
