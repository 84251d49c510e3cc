// SPDX-License-Identifier: GPL-2.0-only

//! Swap space that lasts as long as a test.

use std::ffi::CStr;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::check::ensure;
use crate::child::skip;
use crate::device::checked;

/// A RAM disk of 4 MiB, the kernel's default.
const DISK: &CStr = c"/dev/ram0";

/// The first RAM disk as swap space. Dropping it swaps everything in again.
pub(crate) struct Swap(());

impl Swap {
    /// Writes the signature of swap space to the disk.
    pub(crate) fn make() -> Result<()> {
        let disk = DISK.to_str()?;
        if !fs::exists(disk)? {
            return skip(format!("this machine has no {disk} to swap to"));
        }
        let made = Command::new("mkswap").arg(disk).output()?;
        ensure!(made.status.success(), "mkswap: {made:?}");
        Ok(())
    }

    pub(crate) fn on() -> Result<Self> {
        // SAFETY: The path ends with a zero.
        checked(unsafe { libc::swapon(DISK.as_ptr(), 0) }).context("swapon")?;
        Ok(Self(()))
    }

    pub(crate) fn off(self) -> Result<()> {
        // The drop tries again, which does no harm.
        swapoff().context("swapoff")
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        let _ = swapoff();
    }
}

fn swapoff() -> Result<(), rustix::io::Errno> {
    // SAFETY: As above.
    checked(unsafe { libc::swapoff(DISK.as_ptr()) }).map(drop)
}

/// Removes the swap space that a killed test has left. Returns whether there was any.
pub(crate) fn take_away() -> bool {
    swapoff().is_ok()
}
