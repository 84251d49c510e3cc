// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::c_void;
use std::io;
use std::ptr::{NonNull, null_mut};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// The stack of a task that shares this one's memory.
///
/// On its parent's it would overwrite what the parent returns to.
#[derive(Debug)]
pub struct Stack {
    base: NonNull<c_void>,
}

/// Pages that are not used take no memory.
const SIZE: usize = 256 << 10;

/// At its end, where an overflow is to fault, not to run into the next mapping.
const GUARD: usize = 64 << 10;

impl Stack {
    /// Maps one.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new() -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK;
        // SAFETY: A new mapping, where the kernel likes.
        let base = unsafe { mmap_anonymous(null_mut(), SIZE, protection, flags) }?;
        let base = NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?;
        let stack = Self { base };
        // SAFETY: The mapping is this function's, and nobody has used it.
        unsafe { mprotect(base.as_ptr(), GUARD, MprotectFlags::empty()) }?;
        Ok(stack)
    }

    /// Where it begins: it grows downwards.
    pub(crate) fn top(&self) -> *mut c_void {
        // SAFETY: One past the end of the mapping.
        unsafe { self.base.as_ptr().byte_add(SIZE) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: The mapping is this value's. Who started a task on it has promised to keep it.
        let _ = unsafe { munmap(self.base.as_ptr(), SIZE) };
    }
}
