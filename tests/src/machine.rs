// SPDX-License-Identifier: GPL-2.0-only

//! What tests change about the whole machine, and its way back.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use unshare_device::raw;

use crate::child::skip;

/// A sysctl with another value, until dropped.
pub(crate) struct Sysctl {
    // Kept open, so that a task that has lost its /proc can still put the value back.
    file: File,
    old: Vec<u8>,
}

impl Sysctl {
    /// Sets `name`, as in `fs/nr_open`; a kernel without it ends the test as skipped.
    pub(crate) fn set(name: &str, value: &str) -> Result<Self> {
        let path = path_of(name);
        if !path.exists() {
            return skip(format!("this kernel has no sysctl {name}"));
        }
        let old = fs::read(&path)?;
        let file = File::options().write(true).open(&path)?;
        let sysctl = Self { file, old };
        let set = sysctl.file.write_at(value.as_bytes(), 0);
        set.with_context(|| format!("sysctl {name} = {value}"))?;
        Ok(sysctl)
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        let _ = self.file.write_at(&self.old, 0);
    }
}

fn path_of(sysctl: &str) -> PathBuf {
    Path::new("/proc/sys").join(sysctl)
}

/// The values that a test may change, as they were.
pub(crate) struct Machine {
    sysctls: Vec<(PathBuf, Vec<u8>)>,
    mode: Option<u32>,
}

impl Machine {
    pub(crate) fn save() -> Result<Self> {
        let names = fs::read_dir("/proc/sys/user")?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        let names = names.into_iter().chain(
            ["fs/nr_open", "kernel/unprivileged_userns_clone"]
                .map(path_of)
                .into_iter()
                .filter(|path| path.exists()),
        );
        let sysctls = names
            .map(|path| Ok((path.clone(), fs::read(path)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            sysctls,
            mode: mode_of_device(),
        })
    }

    /// Puts back what a test, perhaps a killed one, left changed, and names it.
    pub(crate) fn restore(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for (path, old) in &self.sysctls {
            if fs::read(path)? != *old {
                fs::write(path, old)?;
                left.push(path.display().to_string());
            }
        }
        if let (Some(old), Some(mode)) = (self.mode, mode_of_device())
            && mode != old
        {
            open_up(old)?;
            left.push(format!("mode {mode:o} of {}", device().display()));
        }
        Ok(left)
    }
}

fn device() -> &'static Path {
    Path::new(raw::UNSHARE_DEVICE.to_str().unwrap_or_default())
}

fn mode_of_device() -> Option<u32> {
    Some(fs::metadata(device()).ok()?.permissions().mode() & 0o7777)
}

fn open_up(mode: u32) -> Result<()> {
    fs::set_permissions(device(), Permissions::from_mode(mode)).context("chmod of the device")
}

/// The device node, opened up to everybody until dropped.
pub(crate) struct OpenToAll(u32);

impl OpenToAll {
    pub(crate) fn new() -> Result<Self> {
        let old = mode_of_device().context("no device node")?;
        open_up(0o666)?;
        Ok(Self(old))
    }
}

impl Drop for OpenToAll {
    fn drop(&mut self) {
        let _ = open_up(self.0);
    }
}
