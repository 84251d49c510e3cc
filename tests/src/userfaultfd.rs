// SPDX-License-Identifier: GPL-2.0-only

//! Page faults that another task answers.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::io::Errno;

use crate::check::{bail, ensure};
use crate::child::skip;
use crate::device::{checked, ioctl};
use crate::mailbox::Mapping;
use crate::memory::PAGE;

const API: u32 = 3 << 30 | 24 << 16 | 0xaa << 8 | 0x3f;
const REGISTER: u32 = 3 << 30 | 32 << 16 | 0xaa << 8;
const COPY: u32 = 3 << 30 | 40 << 16 | 0xaa << 8 | 3;
const MODE_MISSING: u64 = 1;
const EVENT_PAGEFAULT: u8 = 0x12;
const EVENT_FORK: u8 = 0x13;

/// A feature: the descriptor reports forks, and returns one for the child.
pub(crate) const FORKS: u64 = 1 << 1;

pub(crate) struct Userfaultfd(OwnedFd);

impl Userfaultfd {
    /// Opens one for the memory of the calling task, with these features.
    pub(crate) fn new(features: u64) -> Result<Self> {
        // SAFETY: userfaultfd(2) takes a number.
        let fd = match checked(unsafe { libc::syscall(libc::SYS_userfaultfd, 0) }) {
            Err(Errno::NOSYS) => return skip("this kernel has no userfaultfd"),
            fd => fd.context("userfaultfd")?,
        };
        // SAFETY: The kernel has just made this descriptor.
        let made = Self(unsafe { OwnedFd::from_raw_fd(fd.try_into()?) });
        made.control(API, &mut [0xaa, features, 0])?;
        Ok(made)
    }

    /// Registers memory: the descriptor reports the first access to each page.
    pub(crate) fn register(&self, memory: &Mapping) -> Result<()> {
        self.register_first(memory, memory.len())
    }

    /// The same for the first `len` bytes of the memory.
    pub(crate) fn register_first(&self, memory: &Mapping, len: usize) -> Result<()> {
        let start = memory.start().addr() as u64;
        self.control(REGISTER, &mut [start, len as u64, MODE_MISSING, 0])
    }

    /// Waits for a fork, and returns the child's descriptor.
    pub(crate) fn forked(&self) -> Result<Self> {
        let (EVENT_FORK, fd, _) = self.message()? else {
            bail!("no fork, but something else");
        };
        // SAFETY: The message gives the descriptor to this task.
        Ok(Self(unsafe {
            OwnedFd::from_raw_fd((fd & 0xffff_ffff).try_into()?)
        }))
    }

    /// Waits for an access to a missing page, and returns its address.
    pub(crate) fn fault(&self) -> Result<u64> {
        let (EVENT_PAGEFAULT, _, address) = self.message()? else {
            bail!("no page fault, but something else");
        };
        Ok(address)
    }

    /// Provides the page, which begins with the number `first`. The waiting task continues.
    pub(crate) fn answer(&self, address: u64, first: u64) -> Result<()> {
        let mut page = vec![0_u64; 2 * PAGE / 8];
        page.fill(first);
        let source = page.as_ptr().addr().next_multiple_of(PAGE);
        let page_address = address & !(PAGE as u64 - 1);
        self.copy(page_address, source as u64, PAGE)
    }

    /// Provides all of the memory, as a copy of that at `source`.
    pub(crate) fn fill(&self, memory: &Mapping, source: *const c_void) -> Result<()> {
        let at = memory.start().addr() as u64;
        self.copy(at, source.addr() as u64, memory.len())
    }

    fn copy(&self, at: u64, source: u64, len: usize) -> Result<()> {
        self.control(COPY, &mut [at, source, len as u64, 0, 0])
    }

    /// Reads one message: its type and two numbers.
    fn message(&self) -> Result<(u8, u64, u64)> {
        let mut text = [0_u64; 4];
        let fd = self.0.as_raw_fd();
        // SAFETY: A message is 32 bytes.
        checked(unsafe { libc::read(fd, text.as_mut_ptr().cast(), 32) }).context("userfaultfd")?;
        Ok((text[0].to_ne_bytes()[0], text[1], text[2]))
    }

    fn control(&self, number: u32, args: &mut [u64]) -> Result<()> {
        let refused = ioctl(self.0.as_raw_fd(), number, args.as_mut_ptr().cast());
        ensure!(refused.is_none(), "userfaultfd, {number:#x}: {refused:?}");
        Ok(())
    }
}
