// SPDX-License-Identifier: GPL-2.0-only

//! A page through which two tasks communicate.
//!
//! It is not a pipe, because a message must arrive even if the test has just emptied its descriptor
//! table.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;
use std::time::Instant;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use rustix::thread::futex;

const ROOM: usize = 256 * 1024;

/// The contents of the shared page.
#[repr(C)]
pub(crate) struct Page {
    state: AtomicU32,
    len: AtomicUsize,
    /// A number that accompanies the text.
    pub(crate) word: AtomicUsize,
    text: UnsafeCell<[u8; ROOM]>,
}

// SAFETY: Only the side whose turn it is touches the text; `state` says whose turn it is.
unsafe impl Sync for Page {}

/// Memory that this process owns.
///
/// # Invariants
///
/// Owns the `len` bytes mapped at `start`.
pub(crate) struct Mapping {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: Any thread may use or remove a mapping.
unsafe impl Send for Mapping {}
// SAFETY: As above; users of its contents synchronize.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps zeroes, which children share or copy, as `flags` say.
    pub(crate) fn new(len: usize, flags: MapFlags) -> rustix::io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: A new anonymous mapping overlays nothing.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, access, flags)? };
        let start = NonNull::new(start).expect("mmap gives no NULL");
        Ok(Self { start, len })
    }

    pub(crate) fn start(&self) -> *mut c_void {
        self.start.as_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn end(&self) -> *mut c_void {
        self.start.as_ptr().wrapping_byte_add(self.len)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the invariant the mapping is ours; nobody borrows it any more.
        let _ = unsafe { munmap(self.start.as_ptr(), self.len) };
    }
}

/// # Invariants
///
/// The mapping holds one [`Page`], shared with the children made after it.
pub(crate) struct Mailbox(Mapping);

impl Mailbox {
    pub(crate) fn new() -> rustix::io::Result<Self> {
        Mapping::new(size_of::<Page>(), MapFlags::SHARED).map(Self)
    }

    pub(crate) fn page(&self) -> &Page {
        // SAFETY: The mapping lives as long as `self`, and zeroes are a valid page.
        unsafe { self.0.start.cast().as_ref() }
    }
}

impl Page {
    /// Writes `text` and then sets `state`. One side writes at a time: the state says whose turn it
    /// is.
    pub(crate) fn post(&self, state: u32, text: &str) {
        let text = &text.as_bytes()[..text.len().min(ROOM)];
        // SAFETY: It is this side's turn, so the other side does not touch the text, and the text
        // fits.
        unsafe {
            ptr::copy_nonoverlapping(text.as_ptr(), self.text.get().cast(), text.len());
        }
        self.len.store(text.len(), Relaxed);
        self.state.store(state, Release);
        let _ = futex::wake(&self.state, futex::Flags::empty(), u32::MAX >> 1);
    }

    pub(crate) fn state(&self) -> u32 {
        self.state.load(Acquire)
    }

    pub(crate) fn text(&self) -> String {
        self.with_text(str::to_owned)
    }

    /// Lets `look` read the text in place, without an allocation. `look` must not post.
    pub(crate) fn with_text<T>(&self, look: impl FnOnce(&str) -> T) -> T {
        let len = self.len.load(Relaxed);
        // SAFETY: It is this side's turn, so the text does not change; it has `len` bytes.
        let bytes = unsafe { std::slice::from_raw_parts(self.text.get().cast::<u8>(), len) };
        look(std::str::from_utf8(bytes).unwrap_or("(not UTF-8)"))
    }

    /// Waits until the state is one of `wanted`; returns `None` after `limit`.
    pub(crate) fn wait(&self, wanted: &[u32], limit: Duration) -> Option<u32> {
        let end = Instant::now() + limit;
        loop {
            let state = self.state();
            if wanted.contains(&state) {
                return Some(state);
            }
            let left = end.checked_duration_since(Instant::now())?;
            let left = left.min(Duration::from_secs(1)).try_into().ok()?;
            let _ = futex::wait(&self.state, futex::Flags::empty(), state, Some(&left));
        }
    }
}
