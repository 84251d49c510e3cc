// SPDX-License-Identifier: GPL-2.0-only

use std::io;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use unshare_device::Device;

/// The memory that the server and its workers share. Atomics, because tasks use it at the same
/// time; no lock, because a worker that leaves the memory would take the lock's state along.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) device: Device,
    /// Configuration: how many bytes `cat` answers with. In ordinary memory, so that a worker that
    /// has left the memory keeps the old value.
    pub(crate) limit: AtomicU64,
    /// Ordinary memory in which some requests work, unseen by other tasks.
    document: Vec<AtomicU64>,
    pub(crate) statistics: &'static Statistics,
}

/// Counts of all workers, including those that have left the memory: MAP_SHARED stays shared.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Statistics {
    /// Requests that were served.
    pub(crate) served: AtomicU64,
    /// Requests that were refused or failed.
    pub(crate) failed: AtomicU64,
    /// The number of contexts that workers replaced.
    pub(crate) replaced: AtomicU64,
}

/// 1 MiB.
const DOCUMENT: u64 = 1 << 17;

impl Shared {
    pub(crate) fn new(device: Device) -> io::Result<Self> {
        Ok(Self {
            device,
            limit: AtomicU64::new(1024),
            document: (0..DOCUMENT).map(AtomicU64::new).collect(),
            statistics: Statistics::map()?,
        })
    }

    /// Returns a sum that depends on each word of the document and its position.
    pub(crate) fn sum(&self) -> u64 {
        let words = self.document.iter();
        words.fold(0xcbf2_9ce4_8422_2325, |sum: u64, word| {
            (sum ^ word.load(Ordering::Relaxed)).wrapping_mul(0x100_0000_01b3)
        })
    }

    /// Mixes `key` into each word of the document.
    pub(crate) fn scribble(&self, key: &str) {
        let key = key.bytes().fold(1, |key: u64, byte| {
            key.wrapping_mul(31).wrapping_add(byte.into())
        });
        let mut mixed = key;
        for word in &self.document {
            mixed = mixed.wrapping_mul(key | 1).wrapping_add(1);
            word.fetch_xor(mixed, Ordering::Relaxed);
        }
    }

    /// Whether the document has not changed.
    pub(crate) fn is_untouched(&self) -> bool {
        let mut words = (0..DOCUMENT).zip(&self.document);
        words.all(|(number, word)| word.load(Ordering::Relaxed) == number)
    }
}

impl Statistics {
    fn map() -> io::Result<&'static Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: A new mapping, where the kernel likes.
        let page =
            unsafe { mmap_anonymous(null_mut(), size_of::<Self>(), protection, MapFlags::SHARED) }?;
        // SAFETY: It is aligned to a page, is never unmapped, and is zero, which is valid for
        // atomics. It holds only atomics, in every task.
        Ok(unsafe { &*page.cast::<Self>() })
    }
}
