// SPDX-License-Identifier: GPL-2.0-only

//! Other structures that belong to an address space, and what a child gets of them.

use std::ffi::c_void;
use std::ptr;
use std::time::Instant;

use anyhow::Result;
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
