// SPDX-License-Identifier: GPL-2.0-only

//! Where tasks that share memory, or a mapping at least, wait for each other.

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

    /// What a [`Question`](crate::sharer::Question)'s argument says of it: see [`meet`].
    pub(crate) fn name(&self) -> String {
        name(self.0.start())
    }

    /// Comes to it, and waits for the others.
    pub(crate) fn come(&self, everybody: usize) -> Result<()> {
        // SAFETY: It lives as long as `self`.
        unsafe { meet(self.0.start().addr(), everybody.try_into()?) };
        Ok(())
    }
}

/// Waits until `everybody` is at the barrier of that address, and allocates nothing.
///
/// # Safety
///
/// It is the address of a [`Barrier`] that lives until everybody has come.
pub(crate) unsafe fn meet(address: usize, everybody: u32) {
    let present: *const AtomicU32 = std::ptr::without_provenance(address);
    // SAFETY: By the invariant it is one, and by the contract of this function it lives.
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
