// SPDX-License-Identifier: GPL-2.0-only

//! The memory that a call's pointer leads to, or past.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;

use anyhow::Result;
use rustix::mm::{MapFlags, MprotectFlags, mprotect};

use crate::device::Args;
use crate::mailbox::Mapping;
use crate::memory::PAGE;

/// Where a struct lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Plain,
    Unaligned,
    /// What the kernel writes is in memory that cannot be written.
    ReadOnly,
    /// A part of it is in memory that cannot be read either.
    Hole,
    Null,
    Kernel,
}

/// Four pages, of which the second can be read only, and the third cannot. The last is for who calls
/// beside. Shared with the children made after it.
pub(crate) struct Ground(Mapping);

impl Ground {
    pub(crate) fn new() -> Result<Self> {
        let ground = Self(Mapping::new(4 * PAGE, MapFlags::SHARED)?);
        for (page, access) in [(1, MprotectFlags::READ), (2, MprotectFlags::empty())] {
            // SAFETY: Nothing but the kernel touches these two pages, on a caller's behalf.
            unsafe { mprotect(ground.page(page), PAGE, access)? };
        }
        Ok(ground)
    }

    fn page(&self, number: usize) -> *mut c_void {
        self.0.start().wrapping_byte_add(number * PAGE)
    }

    /// Puts the first of `bytes` there, as far as there is room, and gives the address.
    pub(crate) fn lay(&self, place: Place, bytes: &[u8]) -> *mut c_void {
        let start = match place {
            Place::Plain => self.page(0),
            Place::Unaligned => self.page(0).wrapping_byte_add(3),
            Place::ReadOnly => self.page(1).wrapping_byte_sub(offset_of!(Args, replaced)),
            Place::Hole => self.page(2).wrapping_byte_sub(offset_of!(Args, failed)),
            Place::Null => return ptr::null_mut(),
            Place::Kernel => return ptr::without_provenance_mut(0xffff_8880_0000_0000),
        };
        let room = self.page(1).addr().saturating_sub(start.addr());
        // SAFETY: So much of the first page is left there, and no other task looks at it now.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast::<u8>(), room.min(bytes.len()));
        }
        start
    }

    /// Puts the whole of `bytes`, a page at most, where who calls beside has its struct.
    pub(crate) fn lay_beside(&self, bytes: &[u8]) -> *mut c_void {
        let start = self.page(3);
        // SAFETY: It has a page, and is not at work yet.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast::<u8>(), bytes.len().min(PAGE));
        }
        start
    }

    /// The struct that [`lay`](Self::lay) put there, as it is now; none where nobody can tell.
    pub(crate) fn args(&self, place: Place, address: *const c_void) -> Option<Args> {
        if ![Place::Plain, Place::Unaligned].contains(&place) {
            return None;
        }
        // SAFETY: Both are whole in the first page, and any bytes are a value.
        Some(unsafe { address.cast::<Args>().read_unaligned() })
    }
}
