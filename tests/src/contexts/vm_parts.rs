// SPDX-License-Identifier: GPL-2.0-only

//! What else hangs on an address space, and what a child has of it.

use std::arch::asm;
use std::ffi::c_void;
use std::ptr;
use std::time::Instant;

use anyhow::{Error, Result, ensure};
use rustix::io::Errno;
use rustix::mm::MapFlags;

use crate::child::skip;
use crate::device::checked;
use crate::memory::{PAGE, marked, read, write};
use crate::twin::Twin;

pub(super) fn aio(twin: Twin) -> Result<String> {
    let mut context: usize = 0;
    // SAFETY: The kernel writes one number.
    match checked(unsafe { libc::syscall(libc::SYS_io_setup, 8, &raw mut context) }) {
        Err(Errno::NOSYS) => return skip("this kernel has no aio"),
        outcome => outcome?,
    };
    twin.look(|| {
        let none = ptr::null::<c_void>();
        // SAFETY: Nothing is submitted.
        let outcome = checked(unsafe { libc::syscall(libc::SYS_io_submit, context, 0, none) });
        Ok(match outcome {
            Err(Errno::INVAL) => "EINVAL".to_owned(),
            other => format!("{other:?}"),
        })
    })
}

pub(super) fn pkeys(twin: Twin) -> Result<String> {
    // SAFETY: pkey_alloc(2) takes numbers.
    let key = match checked(unsafe { libc::syscall(libc::SYS_pkey_alloc, 0, 0) }) {
        Err(Errno::NOSPC | Errno::NOSYS | Errno::INVAL) => {
            return skip("this machine has no protection keys");
        }
        key => key?,
    };
    let page = marked(1, 5, MapFlags::PRIVATE)?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: The page is this function's own, and stays accessible.
    checked(unsafe { libc::syscall(libc::SYS_pkey_mprotect, page.start(), PAGE, access, key) })?;
    twin.look(|| {
        let kept = if read(page.start()) == 5 {
            "access kept"
        } else {
            "access lost"
        };
        // SAFETY: As above.
        let freed = checked(unsafe { libc::syscall(libc::SYS_pkey_free, key) });
        Ok(format!(
            "{kept}, freed: {}",
            freed.map_or_else(|e| e.to_string(), |_| "Ok".into())
        ))
    })
}

/// What a selector means that refers to the table's first entry.
///
/// It is the processor that is asked: has it loaded the table?
fn limit_of_segment() -> Option<u32> {
    const SELECTOR: u32 = 0b111;
    let (limit, found): (u32, u8);
    // SAFETY: Changes the two registers and the flags.
    unsafe {
        asm!(
            "xor {limit:e}, {limit:e}", "lsl {limit:e}, {selector:e}", "setz {found}",
            limit = out(reg) limit, selector = in(reg) SELECTOR, found = out(reg_byte) found,
            options(nomem, nostack),
        );
    }
    (found != 0).then_some(limit)
}

/// Reads the table, as much as one entry of it.
fn read_ldt() -> Result<[u8; 8]> {
    let mut entry = [0; 8];
    // SAFETY: The kernel writes as many bytes as there are.
    checked(unsafe { libc::syscall(libc::SYS_modify_ldt, 0, entry.as_mut_ptr(), 8) })?;
    Ok(entry)
}

/// Writes the table's first entry, which begins at address 0.
fn write_ldt(limit: u32, flags: u32) -> Result<(), Errno> {
    let entry = [0, 0, limit, flags];
    // SAFETY: Nothing refers to the entry.
    let done = unsafe { libc::syscall(libc::SYS_modify_ldt, 0x11, entry.as_ptr(), 16) };
    // An errno comes as 32 bits, which are not negative in 64, and not taken for an error.
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
        // This is how an entry is taken away.
        write_ldt(0, READ_ONLY | NOT_PRESENT)?;
        ensure!(limit_of_segment().is_none(), "it cannot be changed");
        Ok(if kept { "kept" } else { "lost" }.to_owned())
    })?;
    ensure!(look()? == old, "the parent's changed");
    Ok(seen)
}

pub(super) fn heap(twin: Twin) -> Result<String> {
    // SAFETY: Asks where it is.
    let end = unsafe { libc::sbrk(0) };
    twin.look(|| {
        // SAFETY: What is added belongs to nobody else.
        let more = unsafe { libc::sbrk(16 * 4096) };
        write(more.wrapping_byte_add(15 * PAGE), 1);
        Ok(if more == end { "goes on" } else { "went away" }.to_owned())
    })
}

pub(super) fn vdso(twin: Twin) -> Result<String> {
    twin.look(|| {
        // SAFETY: Always sound.
        let start = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
        let start: *const u64 = ptr::without_provenance(usize::try_from(start)?);
        let _ = Instant::now();
        let magic = read(start.cast()).to_ne_bytes();
        Ok(String::from_utf8_lossy(&magic[1..4]).into_owned())
    })
}

pub(super) fn membarrier(twin: Twin) -> Result<String> {
    let [register, barrier] = [
        libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
        libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED,
    ];
    // SAFETY: membarrier(2) takes numbers.
    checked(unsafe { libc::syscall(libc::SYS_membarrier, register, 0, 0) })?;
    twin.look(|| {
        // SAFETY: As above.
        let done = checked(unsafe { libc::syscall(libc::SYS_membarrier, barrier, 0, 0) })?;
        Ok(done.to_string())
    })
}
