// SPDX-License-Identifier: GPL-2.0-only

//! x86's local descriptor table (LDT), which belongs to the address space.

use std::arch::asm;

use anyhow::{Error, Result};
use rustix::io::Errno;

use crate::check::ensure;
use crate::child::skip;
use crate::device::checked;
use crate::twin::Twin;

/// Returns what a selector of the table's first entry refers to, as the processor sees it: this
/// shows whether the processor has loaded the table.
fn limit_of_segment() -> Option<u32> {
    const SELECTOR: u32 = 0b111;
    let (limit, found): (u32, u8);
    // SAFETY: Changes only the two registers and the flags.
    unsafe {
        asm!(
            "xor {limit:e}, {limit:e}", "lsl {limit:e}, {selector:e}", "setz {found}",
            limit = out(reg) limit, selector = in(reg) SELECTOR, found = out(reg_byte) found,
            options(nomem, nostack),
        );
    }
    (found != 0).then_some(limit)
}

/// Reads the table, at most one entry of it.
fn read_ldt() -> Result<[u8; 8]> {
    let mut entry = [0; 8];
    // SAFETY: The kernel writes as many bytes as there are.
    checked(unsafe { libc::syscall(libc::SYS_modify_ldt, 0, entry.as_mut_ptr(), 8) })?;
    Ok(entry)
}

/// Writes the table's first entry, with base address 0.
fn write_ldt(limit: u32, flags: u32) -> Result<(), Errno> {
    let entry = [0, 0, limit, flags];
    // SAFETY: No selector refers to the entry.
    let done = unsafe { libc::syscall(libc::SYS_modify_ldt, 0x11, entry.as_ptr(), 16) };
    // modify_ldt(2) returns an errno as 32 bits, which is not negative as 64 bits and is not taken
    // as an error.
    match checked(done)? as i32 {
        0 => Ok(()),
        error => Err(Errno::from_raw_os_error(-error)),
    }
}

pub(super) fn ldt(twin: Twin) -> Result<String> {
    const BITS_32: u32 = 1;
    const READ_ONLY: u32 = 1 << 3;
    const IN_PAGES: u32 = 1 << 4;
    const NOT_PRESENT: u32 = 1 << 5;
    match write_ldt(0xffff, BITS_32 | IN_PAGES) {
        Err(Errno::NOSYS) => return skip("this kernel has no LDT"),
        outcome => outcome?,
    }
    let look = || Ok::<_, Error>((read_ldt()?, limit_of_segment()));
    let old = look()?;
    ensure!(
        old.1 == Some(0x0fff_ffff),
        "the entry is not there: {old:x?}"
    );
    let seen = twin.look(|| {
        let kept = look()? == old;
        // This request removes an entry.
        write_ldt(0, READ_ONLY | NOT_PRESENT)?;
        ensure!(limit_of_segment().is_none(), "it cannot be changed");
        Ok(if kept { "kept" } else { "lost" }.to_owned())
    })?;
    ensure!(look()? == old, "the parent's changed");
    Ok(seen)
}
