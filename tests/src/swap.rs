// SPDX-License-Identifier: GPL-2.0-only

//! Swap space, for the length of a test.

use std::ffi::CStr;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::check::ensure;
use crate::child::skip;
use crate::device::checked;

/// It is 4 MiB large, unless the kernel was told otherwise.
const DISK: &CStr = c"/dev/ram0";

/// The first RAM disk as swap space. When dropped, what is in it goes back to its owners.
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
        // A second attempt, by the drop, does no harm.
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

/// Takes away the swap space that a killed test has left, and tells whether there was any.
pub(crate) fn take_away() -> bool {
    swapoff().is_ok()
}
