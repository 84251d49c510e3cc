// SPDX-License-Identifier: GPL-2.0-only

//! The device as a test needs it: every field goes in as written, every field comes back.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, RawFd};

use anyhow::{Context, Result};
use rustix::io::Errno;
use unshare_device::{Contexts, raw};

pub(crate) use unshare_device::raw::unshare_args as Args;
pub(crate) use unshare_device::raw::unshare_query as Query;

use crate::tally::{Tried, tried};

pub(crate) const COMMIT: u32 = raw::UNSHARE_IOC_COMMIT;
pub(crate) const LOCAL: u32 = raw::UNSHARE_IOC_LOCAL;
pub(crate) const QUERY: u32 = raw::UNSHARE_IOC_QUERY;
pub(crate) const DRY_RUN: u32 = raw::UNSHARE_DRY_RUN;
pub(crate) const CLOSE_RANGE: u32 = raw::UNSHARE_CLOSE_RANGE;
pub(crate) const HOLD: u32 = raw::UNSHARE_HOLD;

/// What unshare(2) calls the empty mount namespace, in the 32 bits that it has.
pub(crate) const UNSHARE_EMPTY_MNTNS: Contexts = Contexts::from_bits_retain(0x0010_0000);

/// An open `/dev/unshare`.
pub(crate) struct Device(File);

/// The result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) errno: Option<Errno>,
    pub(crate) replaced: Contexts,
    pub(crate) failed: Contexts,
}

/// A request that only unshares.
pub(crate) fn unshare(contexts: Contexts) -> Args {
    Args {
        unshare: contexts.bits(),
        ..Args::default()
    }
}

/// A request for a descriptor table without those from `first` to `last`.
pub(crate) fn close_range(contexts: Contexts, first: u32, last: u32) -> Args {
    Args {
        options: CLOSE_RANGE,
        close_first: first,
        close_last: last,
        ..unshare(contexts)
    }
}

impl Device {
    pub(crate) fn open() -> Result<Self> {
        let path = raw::UNSHARE_DEVICE.to_str()?;
        let file = File::options().read(true).write(true).open(path);
        Ok(Self(file.context(path)?))
    }

    /// Makes any ioctl, with a valid or an invalid pointer.
    pub(crate) fn ioctl(&self, number: u32, arg: *mut c_void) -> Option<Errno> {
        ioctl(self.0.as_raw_fd(), number, arg)
    }

    pub(crate) fn commit(&self, args: Args) -> Reply {
        self.request(COMMIT, args)
    }

    /// Makes COMMIT or LOCAL. The output fields are not zero before, so that a missing write shows.
    pub(crate) fn request(&self, number: u32, mut args: Args) -> Reply {
        args.replaced = u64::MAX;
        args.failed = u64::MAX;
        let errno = self.ioctl(number, (&raw mut args).cast());
        Reply {
            errno,
            replaced: Contexts::from_bits_retain(args.replaced),
            failed: Contexts::from_bits_retain(args.failed),
        }
    }

    pub(crate) fn query(&self) -> Result<Query> {
        let mut query = Query::default();
        match self.ioctl(QUERY, (&raw mut query).cast()) {
            None => Ok(query),
            Some(errno) => Err(errno).context("UNSHARE_IOC_QUERY"),
        }
    }

    /// Returns the contexts that the caller shares at this moment.
    pub(crate) fn shared(&self) -> Result<Contexts> {
        Ok(Contexts::from_bits_retain(self.query()?.shared))
    }

    pub(crate) fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// For a caller whose request has closed the descriptor.
impl IntoRawFd for Device {
    fn into_raw_fd(self) -> RawFd {
        self.0.into_raw_fd()
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// ioctl(2) on a descriptor number. The test answers for what it does to memory; the kernel checks
/// the pointer.
pub(crate) fn ioctl(fd: RawFd, number: u32, arg: *mut c_void) -> Option<Errno> {
    tried(Tried::Request);
    // SAFETY: `arg` points to what `number` requires, or is a bad pointer, which the kernel
    // refuses.
    match unsafe { libc::ioctl(fd, number.into(), arg) } {
        -1 => Some(last_errno()),
        _ => None,
    }
}

/// Returns the errno of the libc call that has just failed.
pub(crate) fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Turns the -1 of a libc call into its errno.
pub(crate) fn checked<T: Default + PartialOrd>(result: T) -> Result<T, Errno> {
    match result < T::default() {
        true => Err(last_errno()),
        false => Ok(result),
    }
}
