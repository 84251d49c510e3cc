// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
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
    // What is there may be no mount, or one that spreads to other namespaces.
    match mount_change(
        directory,
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    ) {
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(error) => return Err(error).with_context(|| directory.display().to_string()),
    }
    mount_new("proc", directory)
}

/// Mounts the binfmt_misc of the user namespace on `directory`.
pub(crate) fn mount_binfmt(directory: &Path) -> Result<()> {
    mount_new("binfmt_misc", directory)
}

/// Registers an interpreter with the binfmt_misc on `directory`.
pub(crate) fn load_interpreter(directory: &Path, definition: &OsStr) -> Result<()> {
    let file = directory.join("register");
    let shown = file.display();
    fs::write(&file, definition.as_bytes()).with_context(|| format!("{shown}: {definition:?}"))
}

fn mount_new(kind: &str, directory: &Path) -> Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    mount(kind, directory, kind, flags, None)
        .with_context(|| format!("{}: cannot mount {kind}", directory.display()))
}
