// SPDX-License-Identifier: GPL-2.0-only

//! The memory at a call's pointer and beyond.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;

use anyhow::Result;
use rustix::mm::{MapFlags, MprotectFlags, mprotect};

use crate::device::Args;
use crate::mailbox::Mapping;
use crate::memory::PAGE;

/// Where a struct is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Plain,
    Unaligned,
    /// The fields that the kernel writes are in read-only memory.
    ReadOnly,
    /// A part of it is in memory that is not accessible.
    Hole,
    Null,
    Kernel,
}

/// Four pages: the second is read-only, the third is not accessible, and the fourth is for the task
/// that calls at the same time. Shared with children that are made later.
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

    /// Puts as many of `bytes` there as there is room for, and returns the address.
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
        // SAFETY: The first page has that much room left, and no other task accesses it now.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast::<u8>(), room.min(bytes.len()));
        }
        start
    }

    /// Puts all of `bytes`, at most a page, where the task that calls at the same time has its
    /// struct.
    pub(crate) fn lay_beside(&self, bytes: &[u8]) -> *mut c_void {
        let start = self.page(3);
        // SAFETY: The struct has a whole page, and that task does not run yet.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast::<u8>(), bytes.len().min(PAGE));
        }
        start
    }

    /// Returns the struct that [`lay`](Self::lay) put there, as it is now, or `None` if it cannot
    /// be read.
    pub(crate) fn args(&self, place: Place, address: *const c_void) -> Option<Args> {
        if ![Place::Plain, Place::Unaligned].contains(&place) {
            return None;
        }
        // SAFETY: The struct is in the first page, and any bytes are a valid value.
        Some(unsafe { address.cast::<Args>().read_unaligned() })
    }
}
