// SPDX-License-Identifier: GPL-2.0-only

use std::io;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use unshare_device::Device;

/// What the server and its workers have in common in memory: atomics, for they run at once, and not
/// a lock, for a worker that leaves the memory would take its state along.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) device: Device,
    /// Configuration: how many bytes `cat` answers with. In ordinary memory, so that a worker that
    /// has left it keeps what it was then.
    pub(crate) limit: AtomicU64,
    /// Ordinary memory that some requests work in, and nobody else is to see that.
    document: Vec<AtomicU64>,
    pub(crate) statistics: &'static Statistics,
}

/// What workers report, those that have left the memory too: MAP_SHARED stays shared.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Statistics {
    /// Requests that were served.
    pub(crate) served: AtomicU64,
    /// Requests that were refused, or went wrong.
    pub(crate) failed: AtomicU64,
    /// Contexts that workers replaced: how many in all.
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

    /// A sum of the document, in which each word and its place count.
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

    /// Whether the document is as it was made.
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
        // SAFETY: It is aligned to a page, never unmapped, and zero, which atomics may be. Nothing
        // but atomics is in it, for all the tasks that have it.
        Ok(unsafe { &*page.cast::<Self>() })
    }
}
