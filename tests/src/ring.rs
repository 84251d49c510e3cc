// SPDX-License-Identifier: GPL-2.0-only

//! The part of io_uring that the tests use.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::check::ensure;
use crate::child::skip;
use crate::device::checked;
use crate::mailbox::Mapping;

const PAGE: usize = 4096;

/// An io_uring of eight entries.
pub(crate) struct Ring {
    fd: OwnedFd,
    ring: *mut c_void,
    entries: *mut [u8; 64],
    params: [u32; 30],
}

pub(crate) const POLL_ADD: u8 = 6;
pub(crate) const OPENAT: u8 = 18;
pub(crate) const READ: u8 = 22;
pub(crate) const READ_FIXED: u8 = 4;
pub(crate) const NOP: u8 = 0;
const ASYNC_CANCEL: u8 = 14;
const FUTEX_WAIT: u8 = 51;
pub(crate) const ASYNC: u8 = 1 << 4;

impl Ring {
    pub(crate) fn new() -> Result<Self> {
        let mut params = [0_u32; 30];
        // SAFETY: The kernel fills in the 120 bytes of `struct io_uring_params`.
        let fd = match checked(unsafe {
            libc::syscall(libc::SYS_io_uring_setup, 8, params.as_mut_ptr())
        }) {
            Err(Errno::NOSYS) => return skip("this kernel has no io_uring"),
            fd => fd.context("io_uring_setup")?,
        };
        // SAFETY: The kernel has just made this descriptor.
        let fd = unsafe { OwnedFd::from_raw_fd(fd.try_into()?) };
        let map = |offset| {
            let access = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: A new mapping, at an address that the kernel picks.
            unsafe {
                mmap(
                    std::ptr::null_mut(),
                    2 * PAGE,
                    access,
                    MapFlags::SHARED,
                    &fd,
                    offset,
                )
            }
        };
        let (ring, entries) = (map(0)?, map(0x1000_0000)?.cast());
        Ok(Self {
            fd,
            ring,
            entries,
            params,
        })
    }

    /// Returns a word of the rings. The kernel wrote its offset to a word of the parameters.
    fn word(&self, parameter: usize) -> &AtomicU32 {
        let offset = self.params[parameter] as usize;
        // SAFETY: The offset is in the mapping, which stays.
        unsafe { &*self.ring.byte_add(offset).cast() }
    }

    /// Registers a page as the only buffer for [`READ_FIXED`].
    pub(crate) fn register_buffer(&self, page: &Mapping) -> Result<()> {
        const BUFFERS: u32 = 0;
        let buffer = libc::iovec {
            iov_base: page.start(),
            iov_len: page.len(),
        };
        // One buffer, which outlives the ring.
        self.register(BUFFERS, buffer, 1)
    }

    /// Has one worker carry out all requests, one after the other.
    pub(crate) fn limit_workers(&self) -> Result<()> {
        const IOWQ_MAX_WORKERS: u32 = 19;
        // Bounded and unbounded ones.
        self.register(IOWQ_MAX_WORKERS, [1_u32; 2], 2)
    }

    fn register<T>(&self, what: u32, mut data: T, count: u32) -> Result<()> {
        // SAFETY: The kernel reads the data, and may write the old limits of the workers to it.
        let registered = checked(unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                self.fd.as_raw_fd(),
                what,
                &raw mut data,
                count,
            )
        });
        registered.context("io_uring_register").map(drop)
    }

    /// Submits one request.
    pub(crate) fn submit(
        &self,
        opcode: u8,
        flags: u8,
        fd: i32,
        address: usize,
        len: u32,
        events: u32,
    ) -> Result<()> {
        let mut entry = [0; 64];
        entry[0] = opcode;
        entry[1] = flags;
        entry[4..8].copy_from_slice(&fd.to_ne_bytes());
        entry[8..16].copy_from_slice(&u64::MAX.to_ne_bytes());
        entry[16..24].copy_from_slice(&address.to_ne_bytes());
        entry[24..28].copy_from_slice(&len.to_ne_bytes());
        entry[28..32].copy_from_slice(&events.to_ne_bytes());
        if opcode == POLL_ADD {
            entry[8..16].fill(0);
        }
        self.submit_entry(entry)
    }

    /// Submits a request that waits at a private 32-bit futex while that has the `value`.
    pub(crate) fn wait_at(&self, futex: usize, value: u64) -> Result<()> {
        const SIZE_U32_PRIVATE: u32 = 2 | 128;
        let mut entry = [0; 64];
        entry[0] = FUTEX_WAIT;
        entry[4..8].copy_from_slice(&SIZE_U32_PRIVATE.to_ne_bytes());
        entry[8..16].copy_from_slice(&value.to_ne_bytes());
        entry[16..24].copy_from_slice(&futex.to_ne_bytes());
        entry[48..56].copy_from_slice(&u64::from(u32::MAX).to_ne_bytes());
        self.submit_entry(entry)
    }

    /// Submits a request that cancels another one. All requests have the same user data, zero.
    pub(crate) fn cancel(&self) -> Result<()> {
        let mut entry = [0; 64];
        entry[0] = ASYNC_CANCEL;
        self.submit_entry(entry)
    }

    fn submit_entry(&self, entry: [u8; 64]) -> Result<()> {
        let tail = self.word(11).load(Acquire);
        let place = tail & 7;
        // SAFETY: The entry is free: fewer than eight are in flight.
        unsafe {
            self.entries.add(place as usize).write(entry);
            self.ring
                .byte_add(self.params[16] as usize)
                .cast::<u32>()
                .add(place as usize)
                .write(place);
        }
        self.word(11).store(tail + 1, Release);
        let submitted = self.enter(1, 0)?;
        ensure!(submitted == 1, "{submitted} submitted");
        Ok(())
    }

    fn enter(&self, submit: u32, wait: u32) -> Result<i64> {
        const GETEVENTS: u32 = 1;
        let flags = if wait > 0 { GETEVENTS } else { 0 };
        // SAFETY: The entries are filled in.
        let entered = checked(unsafe {
            let none = std::ptr::null::<c_void>();
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.fd.as_raw_fd(),
                submit,
                wait,
                flags,
                none,
                0,
            )
        });
        entered.context("io_uring_enter")
    }

    /// Waits for a result.
    pub(crate) fn result(&self) -> Result<i32> {
        self.enter(0, 1)?;
        let head = self.word(20).load(Acquire);
        ensure!(head != self.word(21).load(Acquire), "no completion");
        let place = (head & 15) as usize;
        // SAFETY: The kernel has filled in that completion: 16 bytes, the result at 8.
        let result = unsafe {
            let first = self.ring.byte_add(self.params[25] as usize);
            first.byte_add(place * 16 + 8).cast::<i32>().read()
        };
        self.word(20).store(head + 1, Release);
        Ok(result)
    }
}
