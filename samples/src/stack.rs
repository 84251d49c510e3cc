// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::c_void;
use std::io;
use std::ptr::{NonNull, null_mut};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// The stack of a task that shares this task's memory.
///
/// On its parent's stack, it would overwrite the frames to which the parent returns.
#[derive(Debug)]
pub struct Stack {
    base: NonNull<c_void>,
}

/// Unused pages take no memory.
const SIZE: usize = 256 << 10;

/// The size of the guard at the end, where an overflow faults instead of reaching the next mapping.
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
        // SAFETY: A new mapping, at an address that the kernel chooses.
        let base = unsafe { mmap_anonymous(null_mut(), SIZE, protection, flags) }?;
        let base = NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?;
        let stack = Self { base };
        // SAFETY: This function owns the mapping, and nothing has used it.
        unsafe { mprotect(base.as_ptr(), GUARD, MprotectFlags::empty()) }?;
        Ok(stack)
    }

    /// Returns the end at which the stack begins: it grows downwards.
    pub(crate) fn top(&self) -> *mut c_void {
        // SAFETY: One past the end of the mapping.
        unsafe { self.base.as_ptr().byte_add(SIZE) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: This value owns the mapping. The caller that started a task on it keeps it until
        // that task has left.
        let _ = unsafe { munmap(self.base.as_ptr(), SIZE) };
    }
}
