// SPDX-License-Identifier: GPL-2.0

//! The entries: what the tasks that are inside have for their way back.
//!
//! A task has its entries as a stack, the newest first. Only the task itself adds and removes them: it is
//! in an ioctl then, in do_exit(), or in execve(2). Other tasks count them. So the lock of a bucket guards
//! the chain and not what an entry has.

use core::mem::MaybeUninit;
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    bindings,
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

use super::ending::Probes;
use crate::{
    sys::{
        bindings::{
            unshare_get_module,
            unshare_put_module, //
        },
        cred::KeptCred,
        fs_struct::ParkedFs,
        task::Current, //
    },
    transaction::swap::Swap, //
};

/// How often a task may enter without leaving: as deep as user namespaces nest.
const DEPTH: u32 = 32;

/// Over how many chains the tasks are spread.
const BUCKETS: usize = 1 << BITS;
const BITS: u32 = 8;

/// What a task has for its way back out of one held context.
pub(crate) struct Entry {
    /// Drops the entry if the task exits or executes a program while it is inside.
    pub(super) work: bindings::callback_head,
    next: Chain,
    task: *mut bindings::task_struct,
    held: u64,
    depth: u32,
    /// Whether the task was not in that held context before.
    is_outermost: bool,
    /// Those with which the task entered.
    pub(crate) credentials: KeptCred,
    /// What the task had.
    pub(crate) had: Swap<ParkedFs>,
    // The last field, so that it goes last.
    _module: ModuleRef,
}

// SAFETY: `task` is compared and not followed, `work` is used by the task alone, and any task may drop the
// rest.
unsafe impl Send for Entry {}

/// Keeps the module loaded: a task that is inside comes back through it.
struct ModuleRef(());

impl ModuleRef {
    fn get() -> Self {
        // SAFETY: The module runs in an ioctl, and the open file keeps it loaded.
        unsafe { unshare_get_module() };
        Self(())
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: `get` has taken the reference. The file of an ioctl has another one, and for the rest of the
        // work of `ending.rs` the exit of the module waits.
        unsafe { unshare_put_module() };
    }
}

/// Memory for an entry, so that pushing one cannot fail.
pub(crate) struct Room {
    memory: KBox<MaybeUninit<Entry>>,
    depth: u32,
}

/// The entries of the tasks of one bucket, linked.
struct Chain(Option<KBox<Entry>>);

impl Chain {
    fn iter(&self) -> impl Iterator<Item = &Entry> {
        core::iter::successors(self.0.as_deref(), |entry| entry.next.0.as_deref())
    }

    fn of<'a>(&'a self, current: &'a Current) -> impl Iterator<Item = &'a Entry> {
        self.iter().filter(|entry| entry.task == current.as_ptr())
    }

    fn push(&mut self, mut entry: KBox<Entry>) {
        entry.next.0 = self.0.take();
        self.0 = Some(entry);
    }

    /// Takes the entry out that the task has pushed last.
    fn pop(&mut self, current: &Current) -> Option<KBox<Entry>> {
        let mut place = &mut self.0;
        while place.as_ref()?.task != current.as_ptr() {
            place = &mut place.as_mut()?.next.0;
        }
        let mut entry = place.take()?;
        *place = entry.next.0.take();
        Some(entry)
    }
}

/// The entries of all tasks.
#[pin_data(PinnedDrop)]
pub(crate) struct Entries {
    #[pin]
    buckets: [SpinLock<Chain>; BUCKETS],
    #[pin]
    probes: Mutex<Probes>,
}

/// Where the module has its [`Entries`].
static ENTRIES: Atomic<usize> = Atomic::new(0);

impl Entries {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            buckets <- pin_init_array_from_fn(|_| new_spinlock!(Chain(None))),
            probes <- new_mutex!(Probes::default()),
            _: {
                ENTRIES.store(this.as_ptr() as usize, Release);
            },
        })
    }

    /// Returns those of the module.
    pub(crate) fn get() -> &'static Self {
        // SAFETY: The module makes them before it registers its device and keeps them until it is removed.
        // Whoever calls this runs in an ioctl of a file, or for an entry, and both keep the module loaded;
        // or in a probe, which `drop` waits for.
        unsafe { &*(ENTRIES.load(Acquire) as *const Self) }
    }

    /// Has entries end with their tasks, from the first call on.
    ///
    /// Fails with `ENOMEM`.
    pub(crate) fn watch(&self) -> Result {
        self.probes.lock().register()
    }

    fn bucket(&self, current: &Current) -> Option<&SpinLock<Chain>> {
        const GOLDEN_RATIO: u64 = 0x61C8_8646_80B5_83EB;
        let hash = (current.as_ptr() as u64).wrapping_mul(GOLDEN_RATIO) >> (u64::BITS - BITS);
        self.buckets.get(hash as usize)
    }

    /// Makes room for an entry of the running task, at the expense of its memory cgroup.
    ///
    /// Fails with `ENOMEM`, and with `ENOSPC` if the task has [`DEPTH`] entries.
    pub(crate) fn reserve(&self, current: &Current) -> Result<Room> {
        let bucket = self.bucket(current).ok_or(ENOSPC)?;
        let depth = bucket
            .lock()
            .of(current)
            .next()
            .map_or(0, |top| top.depth + 1);
        if depth >= DEPTH {
            return Err(ENOSPC);
        }
        let memory = KBox::new_uninit(GFP_KERNEL_ACCOUNT)?;
        Ok(Room { memory, depth })
    }

    /// Adds an entry on top of those of the running task.
    pub(crate) fn push(&self, room: Room, held: u64, had: Swap<ParkedFs>, current: &Current) {
        let Room { memory, depth } = room;
        let entry = KBox::write(
            memory,
            Entry {
                work: bindings::callback_head::default(),
                next: Chain(None),
                task: current.as_ptr(),
                held,
                depth,
                is_outermost: true,
                credentials: KeptCred::of(current),
                had,
                _module: ModuleRef::get(),
            },
        );
        self.push_back(entry, current);
    }

    /// Adds an entry again that was popped.
    pub(crate) fn push_back(&self, mut entry: KBox<Entry>, current: &Current) {
        if let Some(bucket) = self.bucket(current) {
            let mut chain = bucket.lock();
            entry.is_outermost =
                entry.depth == 0 || chain.of(current).all(|below| below.held != entry.held);
            chain.push(entry);
        }
    }

    /// Takes the last entry of the running task.
    ///
    /// Fails with `EINVAL` if there is none, or none for the context `held`; with `EBUSY` if the task has
    /// entered another context since.
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

    /// Returns how many threads are inside of a held context.
    pub(crate) fn count(&self, held: u64) -> usize {
        let of_bucket = |bucket: &SpinLock<Chain>| {
            let chain = bucket.lock();
            let inside = chain.iter().filter(|entry| entry.held == held);
            inside.filter(|entry| entry.is_outermost).count()
        };
        self.buckets.iter().map(of_bucket).sum()
    }
}

#[pinned_drop]
impl PinnedDrop for Entries {
    /// No entry is left, since each keeps the module loaded.
    fn drop(self: Pin<&mut Self>) {
        self.probes.lock().unregister();
    }
}
