// SPDX-License-Identifier: GPL-2.0-only

//! The `struct rseq` of this thread, in which the kernel records where the thread runs when it
//! returns to user space.

use std::arch::asm;

use anyhow::{Context, Result};

use crate::device::checked;

unsafe extern "C" {
    /// The C library's offset of it from the thread pointer.
    static __rseq_offset: isize;
    static __rseq_size: u32;
}

/// Whether the C library has registered one.
pub(crate) fn is_registered() -> bool {
    // SAFETY: The C library sets it once, at its start.
    unsafe { __rseq_size != 0 }
}

/// Returns the word at `offset` in it.
pub(crate) fn word(offset: isize) -> *const u32 {
    // SAFETY: The C library sets it once, at its start.
    thread_pointer()
        .wrapping_offset(unsafe { __rseq_offset } + offset)
        .cast()
}

fn thread_pointer() -> *const u8 {
    let thread;
    // SAFETY: Reads the word in which each thread has its own address.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("mov {}, fs:[0]", out(reg) thread, options(nostack, readonly));
    }
    // SAFETY: Reads the register in which each thread has its own address.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) thread, options(nostack, nomem));
    }
    thread
}

/// The signature before an abort handler: an instruction that no program uses.
const SIGNATURE: u32 = match cfg!(target_arch = "aarch64") {
    true => 0xd428_bc00,
    false => 0x5305_3053,
};

/// Registers the page at `own` for this task, which has none yet.
pub(crate) fn register(own: *mut u8) -> Result<()> {
    // Longer than the first version, for which the kernel writes the fields at every switch.
    const LENGTH: u32 = 64;
    // SAFETY: The kernel writes to the page alone.
    checked(unsafe { libc::syscall(libc::SYS_rseq, own, LENGTH, 0, SIGNATURE) })?;
    Ok(())
}

/// Has the kernel write to this thread's no more. Where that takes a page and there is none, it cannot wait
/// for one, as a write of the thread itself would: it ends the task by SIGSEGV, after a fork too.
pub(crate) fn unregister() -> Result<()> {
    const UNREGISTER: i32 = 1;
    if !is_registered() {
        return Ok(());
    }
    // With the length that it was registered with, which the C library does not tell.
    (32_u32..=1024)
        .find_map(|length| {
            // SAFETY: Nobody relies on it.
            checked(unsafe {
                libc::syscall(libc::SYS_rseq, word(0), length, UNREGISTER, SIGNATURE)
            })
            .ok()
        })
        .context("rseq stays registered")?;
    Ok(())
}
