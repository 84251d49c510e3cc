// SPDX-License-Identifier: GPL-2.0-only

//! The device as a 32-bit program sees it: `abi32.c`.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::Command;

use anyhow::Result;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::check::bail;
use crate::harness::Suite;

static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/abi32"));

pub(crate) fn suite() -> Suite {
    Suite::new("abi32").test(
        "a 32-bit program: query, success, failure, bad pointers, a signal in the copy",
        run,
    )
}

fn run() -> Result<()> {
    let mut file = File::from(memfd_create("abi32", MemfdFlags::CLOEXEC)?);
    file.write_all(PROGRAM)?;
    let output = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd())).output()?;
    if !output.status.success() {
        bail!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        );
    }
    Ok(())
}
