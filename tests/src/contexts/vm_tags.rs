// SPDX-License-Identifier: GPL-2.0-only

//! arm64's memory tags: each tags sixteen bytes, and a pointer must have the same tag in its upper
//! byte.

use std::arch::asm;
use std::ffi::c_void;

use anyhow::Result;
use rustix::io::Errno;
use rustix::mm::MapFlags;

use crate::child::skip;
use crate::device::checked;
use crate::mailbox::Mapping;
use crate::memory::{PAGE, read, write};
use crate::twin::Twin;

/// The bits of an address that hold a tag.
const TAG: u32 = 56;

fn with_tag(address: *mut c_void, tag: usize) -> *mut c_void {
    address.map_addr(|address| address & !(0xf << TAG) | tag << TAG)
}

/// Sets the tag of the memory at an address to the address's own.
fn set_tag(address: *mut c_void) {
    // SAFETY: Changes the tag of memory that the caller owns.
    unsafe { asm!(".arch_extension memtag", "stg {0}, [{0}]", in(reg) address, options(nostack)) };
}

/// Returns the tag of the memory at an address.
fn tag(address: *mut c_void) -> usize {
    let mut tagged = with_tag(address, 0);
    // SAFETY: Reads a tag, into the bits that it has in an address.
    unsafe {
        asm!(".arch_extension memtag", "ldg {0}, [{0}]", inout(reg) tagged, options(nostack, readonly));
    }
    tagged.addr() >> TAG & 0xf
}

pub(super) fn tags(twin: Twin) -> Result<String> {
    const HWCAP2_MTE: libc::c_ulong = 1 << 18;
    const PROT_MTE: i32 = 0x20;
    const CHECK_AT_ONCE: libc::c_ulong = 1 << 1;
    // SAFETY: Asks what there is.
    if unsafe { libc::getauxval(libc::AT_HWCAP2) } & HWCAP2_MTE == 0 {
        return skip("this machine has no memory tags");
    }
    let control = libc::PR_TAGGED_ADDR_ENABLE as libc::c_ulong | CHECK_AT_ONCE;
    // SAFETY: Untagged memory and untagged pointers still match.
    checked(unsafe { libc::prctl(libc::PR_SET_TAGGED_ADDR_CTRL, control, 0, 0, 0) })?;
    let page = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    let access = libc::PROT_READ | libc::PROT_WRITE | PROT_MTE;
    // SAFETY: The page is this function's own, and stays accessible.
    checked(unsafe { libc::mprotect(page.start(), PAGE, access) })?;
    let tagged = with_tag(page.start(), 5);
    set_tag(tagged);
    write(tagged, 7);
    twin.look(|| {
        let other = with_tag(page.start(), 6);
        // The kernel checks tags, too, and fails without a crash.
        // SAFETY: If it writes anything, then to the page.
        let written = checked(unsafe { libc::syscall(libc::SYS_getrandom, other, 8, 0) });
        let refused = match written {
            Err(Errno::FAULT) => "EFAULT".to_owned(),
            other => format!("{other:?}"),
        };
        Ok(format!(
            "tag {}, by it: {}, by another: {refused}",
            tag(page.start()),
            read(tagged),
        ))
    })
}
