// SPDX-License-Identifier: GPL-2.0-only

//! What tests change about the whole machine, and how it is restored.

use std::fs::{self, File, Permissions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use unshare_device::raw;

use crate::child::skip;
use crate::module;
use crate::swap;

/// A setting of the kernel that has another value until this is dropped.
pub(crate) struct Setting {
    // Kept open, so that a task without a /proc can still restore the value.
    file: File,
    old: Vec<u8>,
}

impl Setting {
    /// Sets a sysctl, named as in `fs/nr_open`.
    pub(crate) fn sysctl(name: &str, value: &str) -> Result<Self> {
        Self::new(path_of(name), value)
    }

    /// Writes a value to a file. On a kernel without that file, the test is skipped.
    pub(crate) fn new(path: impl AsRef<Path>, value: &str) -> Result<Self> {
        let path = path.as_ref();
        let shown = path.display();
        if !path.exists() {
            return skip(format!("this kernel has no {shown}"));
        }
        let old = fs::read(path)?;
        let file = File::options().write(true).open(path)?;
        let setting = Self { file, old };
        let set = setting.write(value.as_bytes());
        set.with_context(|| format!("{value} to {shown}"))?;
        Ok(setting)
    }

    /// Restores the old value before this is dropped.
    pub(crate) fn put_back(&self) -> Result<()> {
        Ok(self.write(&self.old)?)
    }

    fn write(&self, value: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        // debugfs files have no positions.
        let _ = file.rewind();
        file.write_all(value)
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = self.write(&self.old);
    }
}

fn path_of(sysctl: &str) -> PathBuf {
    Path::new("/proc/sys").join(sysctl)
}

/// A machine with one active processor: loading a module stops the other processors many times, and
/// waits for each.
pub(crate) struct OneProcessor {
    _offline: Setting,
    _expedited: Setting,
}

impl OneProcessor {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            _offline: Setting::new(SECOND_PROCESSOR, "0")?,
            _expedited: Setting::new(RCU_EXPEDITED, "1")?,
        })
    }
}

const SECOND_PROCESSOR: &str = "/sys/devices/system/cpu/cpu1/online";
const RCU_EXPEDITED: &str = "/sys/kernel/rcu_expedited";

/// A saved value and its file, which stays open because opening takes longer than reading.
struct Saved {
    path: PathBuf,
    file: File,
    value: Vec<u8>,
}

impl Saved {
    fn new(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let value = read(&file)?;
        Ok(Self { path, file, value })
    }
}

/// Returns the contents of a small file.
fn read(file: &File) -> io::Result<Vec<u8>> {
    let mut value = vec![0; 256];
    let len = file.read_at(&mut value, 0)?;
    value.truncate(len);
    Ok(value)
}

/// The saved values of everything that a test may change.
pub(crate) struct Machine {
    settings: Vec<Saved>,
    mode: Option<u32>,
}

impl Machine {
    pub(crate) fn save() -> Result<Self> {
        let names = fs::read_dir("/proc/sys/user")?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        let others = [
            path_of("fs/file-max"),
            path_of("fs/nr_open"),
            path_of("kernel/unprivileged_userns_clone"),
            path_of("kernel/core_pattern"),
            path_of("vm/overcommit_memory"),
        ];
        let more = [SECOND_PROCESSOR, RCU_EXPEDITED].map(PathBuf::from);
        let names = names.into_iter().chain(others).chain(more);
        let names = names.filter(|path| path.exists());
        let settings = names.map(Saved::new).collect::<io::Result<_>>()?;
        Ok(Self {
            settings,
            mode: mode_of_device(),
        })
    }

    /// Restores and names what a test, perhaps a killed one, has left changed.
    pub(crate) fn restore(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        if self.mode.is_some() && !module::is_loaded() {
            module::load("unshare", "")?.context("loading the module again")?;
            left.push("the module unloaded".to_owned());
        }
        for Saved { path, file, value } in &self.settings {
            if read(file)? != *value {
                fs::write(path, value)?;
                left.push(path.display().to_string());
            }
        }
        if swap::take_away() {
            left.push("swap space".to_owned());
        }
        match (self.mode, mode_of_device()) {
            (Some(old), Some(mode)) if mode != old => {
                open_up(old)?;
                left.push(format!("mode {mode:o} of {}", device().display()));
            }
            _ => {}
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

/// The device node with access for every user, until this is dropped.
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
