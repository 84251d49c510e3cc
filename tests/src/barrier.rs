// SPDX-License-Identifier: GPL-2.0-only

//! A barrier for tasks that share memory, or at least a mapping.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::Result;
use rustix::mm::MapFlags;
use rustix::thread::futex;

use crate::mailbox::Mapping;
use crate::memory::{PAGE, name};

/// # Invariants
///
/// The mapping begins with an [`AtomicU32`], shared with the children made after it.
pub(crate) struct Barrier(Mapping);

impl Barrier {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Mapping::new(PAGE, MapFlags::SHARED)?))
    }

    /// Its name in the argument of a [`Question`](crate::sharer::Question): see [`meet`].
    pub(crate) fn name(&self) -> String {
        name(self.0.start())
    }

    /// Arrives at the barrier, and waits for the others.
    pub(crate) fn come(&self, everybody: usize) -> Result<()> {
        // SAFETY: It lives as long as `self`.
        unsafe { meet(self.0.start().addr(), everybody.try_into()?) };
        Ok(())
    }
}

/// Waits until `everybody` tasks have arrived at the barrier of that address. Allocates nothing.
///
/// # Safety
///
/// It must be the address of a [`Barrier`] that lives until all tasks have arrived.
pub(crate) unsafe fn meet(address: usize, everybody: u32) {
    let present: *const AtomicU32 = std::ptr::without_provenance(address);
    // SAFETY: By the invariant there is one, and the caller promises that it lives.
    let present = unsafe { &*present };
    if present.fetch_add(1, Relaxed) + 1 == everybody {
        let _ = futex::wake(present, futex::Flags::empty(), u32::MAX >> 1);
    }
    loop {
        let count = present.load(Relaxed);
        if count >= everybody {
            break;
        }
        let _ = futex::wait(present, futex::Flags::empty(), count, None);
    }
}
