// SPDX-License-Identifier: GPL-2.0-only

//! A task that traces another one by perf is notified of its new namespaces.

use std::ffi::c_void;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;

use anyhow::{Context, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use unshare_device::Contexts;

use crate::backend::Backend;
use crate::check::ensure;
use crate::child::in_child;
use crate::device::{Device, checked};
use crate::harness::Suite;

/// `struct perf_event_attr`, up to a little more than its first published version.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) kind: u32,
    pub(crate) size: u32,
    pub(crate) config: u64,
    pub(crate) sample: [u64; 3],
    pub(crate) flags: u64,
    pub(crate) rest: [u64; 9],
}

impl Attributes {
    /// Opens the event for a task; 0 is the calling one.
    ///
    /// # Safety
    ///
    /// The memory to which `rest` points must exist.
    pub(crate) unsafe fn open_for(mut self, pid: i32) -> Result<OwnedFd> {
        self.size = size_of::<Self>().try_into()?;
        let (any_cpu, no_group, no_flags) = (-1, -1, 0);
        // SAFETY: The attributes have the size that they say; the caller promises the rest.
        let event = checked(unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const self,
                pid,
                any_cpu,
                no_group,
                no_flags,
            )
        });
        // SAFETY: The kernel has just made this descriptor.
        Ok(unsafe { OwnedFd::from_raw_fd(event.context("perf_event_open")?.try_into()?) })
    }
}

const SOFTWARE: u32 = 1;
const DUMMY: u64 = 9;
/// The flag `namespaces`.
const NAMESPACES: u64 = 1 << 28;
pub(crate) const RECORD_NAMESPACES: u32 = 16;
const PAGE: usize = 4096;
/// The offset of the write position in a ring's first page.
const DATA_HEAD: usize = 1024;

pub(crate) fn suite() -> Suite {
    Suite::new("perf")
        .test(
            "new namespaces send a perf namespace event, as unshare(2) does",
            || compare(Contexts::UTS | Contexts::MOUNT),
        )
        .test(
            "other contexts send a perf namespace event, as unshare(2) does",
            || compare(Contexts::FS),
        )
}

fn compare(bits: Contexts) -> Result<()> {
    let records = |backend| in_child(|| records(backend, bits));
    let [syscall, ioctl] = [records(Backend::Syscall)?, records(Backend::Ioctl)?];
    ensure!(syscall == ioctl, "syscall: {syscall}, ioctl: {ioctl}");
    ensure!(ioctl == format!("{:?}", [RECORD_NAMESPACES]), "{ioctl}");
    Ok(())
}

/// Returns the types of the records that a request causes.
fn records(backend: Backend, bits: Contexts) -> Result<String> {
    let device = Device::open()?;
    let records = Records::of(0)?;
    backend.unshare(&device, bits)?;
    Ok(format!("{:?}", records.kinds()?))
}

/// Maps the two pages of an event's ring: the control page and a data page.
fn map(event: &OwnedFd) -> Result<*mut c_void> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: A new mapping, at an address that the kernel picks.
    Ok(unsafe {
        mmap(
            ptr::null_mut(),
            2 * PAGE,
            access,
            MapFlags::SHARED,
            event,
            0,
        )?
    })
}

/// perf's records about a task's namespaces, in a mapping that no copy of the memory has.
pub(crate) struct Records {
    ring: *mut c_void,
    event: OwnedFd,
}

impl Records {
    /// Starts recording the task `pid`, or the caller for 0.
    pub(crate) fn of(pid: i32) -> Result<Self> {
        let attributes = Attributes {
            kind: SOFTWARE,
            config: DUMMY,
            flags: NAMESPACES,
            ..Attributes::default()
        };
        // SAFETY: The attributes have no pointers.
        let event = unsafe { attributes.open_for(pid)? };
        let ring = map(&event)?;
        Ok(Self { ring, event })
    }

    /// Maps the ring once more.
    pub(crate) fn map_again(&self) -> Result<*mut c_void> {
        map(&self.event)
    }

    /// Where the ring is mapped.
    pub(crate) fn start(&self) -> *mut c_void {
        self.ring
    }

    /// Returns the types of the records so far.
    pub(crate) fn kinds(&self) -> Result<Vec<u32>> {
        // SAFETY: The kernel keeps the position there, aligned, as long as the ring is mapped.
        let head = unsafe { &*self.ring.byte_add(DATA_HEAD).cast::<AtomicU64>() }.load(Acquire);
        let (mut at, mut kinds) = (0, Vec::new());
        while at < usize::try_from(head)?.min(PAGE) {
            // SAFETY: A record begins with its kind, and ends with the size in the fourth half-word.
            let (kind, size) = unsafe {
                let record = self.ring.byte_add(PAGE + at);
                (
                    record.cast::<u32>().read(),
                    record.cast::<u16>().add(3).read(),
                )
            };
            kinds.push(kind);
            at += usize::from(size).max(8);
        }
        Ok(kinds)
    }
}
