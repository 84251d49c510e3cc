// SPDX-License-Identifier: GPL-2.0-only

//! Keeps a container's processes from this program while it is among them.
//!
//! Between the attach and the exec of the command, this program runs in the container with what the
//! host gave it. A process in there could open `/proc/PID/fd/N` to get the host's files, and
//! `/proc/PID/exe` to overwrite the program on the host (CVE-2019-5736). Two measures prevent it:
//! the kernel refuses both for a process that is not dumpable, and the program runs from a sealed
//! copy in memory, so that a command which is a link to `/proc/self/exe` leads to that copy.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use nix::libc;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_name;

use crate::inherited::keep_sigpipe;

/// Makes this process secluded: returns in a process that runs from the sealed copy and is not
/// dumpable.
///
/// # Errors
///
/// When /proc is not mounted, or the `vm.memfd_noexec` sysctl forbids programs in memory.
pub fn seclude(program: &str) -> Result<()> {
    let own = File::open("/proc/self/exe").context("/proc/self/exe")?;
    if !is_sealed(&own) {
        return Err(execute_copy(program, own)?).context("cannot execute a copy of this program");
    }
    // The name of the file that was executed is a number.
    let _ = set_name(&std::ffi::CString::new(program)?);
    set_dumpable(false)
}

/// Lets the task write its own files under /proc again, or forbids it.
///
/// # Errors
///
/// None that is expected.
pub fn set_dumpable(dumpable: bool) -> Result<()> {
    let behavior = match dumpable {
        true => DumpableBehavior::Dumpable,
        false => DumpableBehavior::NotDumpable,
    };
    set_dumpable_behavior(behavior).context("PR_SET_DUMPABLE")
}

/// Closes all descriptors but standard input, output and error.
pub fn close_inherited() {
    // SAFETY: The caller owns no descriptor yet.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}

fn seals() -> SealFlags {
    SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE
}

fn is_sealed(file: &File) -> bool {
    fcntl_get_seals(file).is_ok_and(|found| found.contains(seals()))
}

/// Returns only when that fails.
fn execute_copy(program: &str, mut own: File) -> Result<io::Error> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::EXEC;
    let advice = "cannot have a program in memory (vm.memfd_noexec sysctl?)";
    let mut copy = File::from(memfd_create(program, flags).context(advice)?);
    io::copy(&mut own, &mut copy).context("cannot copy this program")?;
    fcntl_add_seals(&copy, seals()).context("cannot seal a copy of this program")?;

    let mut arguments = std::env::args_os();
    let mut command = Command::new(format!("/proc/self/fd/{}", copy.as_raw_fd()));
    command
        .arg0(arguments.next().unwrap_or_default())
        .args(arguments);
    keep_sigpipe(&mut command);
    Ok(command.exec())
}
