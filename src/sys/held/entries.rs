// SPDX-License-Identifier: GPL-2.0

//! The entries of all tasks that are inside a held context.
//!
//! A task has a stack of entries. Only the task itself pushes and pops them, in an ioctl, in
//! do_exit() or in execve(2). Other tasks only count them. So the lock of a bucket guards its
//! chain, not the contents of an entry.

use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Release, //
            },
            Atomic, //
        },
        Mutex,
        SpinLock, //
    }, //
};
use pin_init::pin_init_array_from_fn;

use super::{
    ending::Probes,
    entry::{
        Chain,
        Entry,
        Room, //
    }, //
};
use crate::{
    sys::{
        fs_struct::ParkedFs,
        task::Current, //
    },
    transaction::swap::Swap, //
};

/// The maximum number of entries of a task: user namespaces nest as deeply.
const DEPTH: u32 = 32;

/// The number of chains.
const BUCKETS: usize = 1 << BITS;
const BITS: u32 = 8;

/// The entries of all tasks.
#[pin_data(PinnedDrop)]
pub(crate) struct Entries {
    #[pin]
    buckets: [SpinLock<Chain>; BUCKETS],
    #[pin]
    probes: Mutex<Probes>,
}

/// The address of the module's [`Entries`].
static ENTRIES: Atomic<usize> = Atomic::new(0);

impl Entries {
    /// Makes the module's empty store of entries, which [`get`](Self::get) returns afterwards.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            buckets <- pin_init_array_from_fn(|_| new_spinlock!(Chain::default())),
            probes <- new_mutex!(Probes::default()),
            _: {
                ENTRIES.store(this.as_ptr() as usize, Release);
            },
        })
    }

    /// Returns the module's entries.
    pub(crate) fn get() -> &'static Self {
        // SAFETY: The module makes them before it registers its device, and drops them when it is
        // removed. The caller runs in an ioctl or for an entry, which keep the module loaded, or in
        // a probe, for which `drop` waits.
        unsafe { &*(ENTRIES.load(Acquire) as *const Self) }
    }

    /// Registers the probes that drop entries, unless that has been done. Fails with `ENOMEM`.
    pub(crate) fn watch(&self) -> Result {
        self.probes.lock().register()
    }

    fn bucket(&self, current: &Current) -> Option<&SpinLock<Chain>> {
        const GOLDEN_RATIO: u64 = 0x61C8_8646_80B5_83EB;
        let hash = (current.as_ptr() as u64).wrapping_mul(GOLDEN_RATIO) >> (u64::BITS - BITS);
        self.buckets.get(hash as usize)
    }

    /// Allocates an entry for the running task, charged to its memory cgroup. Fails with `ENOMEM`,
    /// and with `ENOSPC` if the task has [`DEPTH`] entries.
    pub(crate) fn reserve(&self, current: &Current) -> Result<Room> {
        let bucket = self.bucket(current).ok_or(ENOSPC)?;
        let depth = bucket
            .lock()
            .of(current)
            .next()
            .map_or(0, |top| top.depth.wrapping_add(1));
        if depth >= DEPTH {
            return Err(ENOSPC);
        }
        let memory = KBox::new_uninit(GFP_KERNEL_ACCOUNT)?;
        Ok(Room { memory, depth })
    }

    /// Pushes a new entry onto the running task's stack.
    pub(crate) fn push(&self, room: Room, held: u64, had: Swap<ParkedFs>, current: &Current) {
        self.push_back(room.fill(held, had, current), current);
    }

    /// Pushes an entry that was popped back onto the running task's stack.
    pub(crate) fn push_back(&self, mut entry: KBox<Entry>, current: &Current) {
        if let Some(bucket) = self.bucket(current) {
            let mut chain = bucket.lock();
            entry.is_outermost =
                entry.depth == 0 || chain.of(current).all(|below| below.held != entry.held);
            chain.push(entry);
        }
    }

    /// Pops the last entry of the running task. Fails with `EINVAL` if the task has no entry, or
    /// none for the context `held`; with `EBUSY` if it has entered another context since.
    pub(crate) fn pop(&self, held: Option<u64>, current: &Current) -> Result<KBox<Entry>> {
        let mut chain = self.bucket(current).ok_or(EINVAL)?.lock();
        if let Some(held) = held {
            let is_top = chain.of(current).next().is_some_and(|top| top.held == held);
            if !is_top {
                let is_inside = chain.of(current).any(|entry| entry.held == held);
                return Err(if is_inside { EBUSY } else { EINVAL });
            }
        }
        chain.pop(current).ok_or(EINVAL)
    }

    /// Returns how many threads are inside the held context `held`.
    pub(crate) fn count(&self, held: u64) -> usize {
        let mut count = 0_usize;
        for bucket in &self.buckets {
            let chain = bucket.lock();
            let inside = chain.iter().filter(|entry| entry.held == held);
            for _outermost in inside.filter(|entry| entry.is_outermost) {
                // `Iterator::count` would panic on an overflow.
                count = count.wrapping_add(1);
            }
        }
        count
    }
}

#[pinned_drop]
impl PinnedDrop for Entries {
    /// Unregisters the probes. No entry is left, because each keeps the module loaded.
    fn drop(self: Pin<&mut Self>) {
        self.probes.lock().unregister();
    }
}
