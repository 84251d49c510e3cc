// SPDX-License-Identifier: GPL-2.0-only

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::ioctl::{Getter, Opcode, Updater, ioctl};
use rustix::path::Arg;

use crate::{Contexts, Error, Query, Request, Result, raw};

/// The open device. It holds no state: one can serve every request of a process.
///
/// The requests are about the task that makes them, whoever opened the device.
///
/// ```no_run
/// use std::os::fd::OwnedFd;
/// use unshare_device::Device;
///
/// let device = Device::open()?;
/// // To pass on to another process, which makes a `Device` of it again.
/// let fd = OwnedFd::from(device);
/// let device = Device::from(fd);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Device(OwnedFd);

impl Device {
    /// Opens `/dev/unshare`, close-on-exec.
    ///
    /// ```no_run
    /// use std::io::ErrorKind;
    /// use unshare_device::Device;
    ///
    /// match Device::open() {
    ///     Err(error) if error.kind() == ErrorKind::NotFound => println!("is the module loaded?"),
    ///     device => println!("{device:?}"),
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `ENOENT` when the module is not loaded; `EACCES` for who may not open the node, which is
    /// root's alone unless the administrator decided otherwise.
    pub fn open() -> io::Result<Self> {
        Self::open_at(raw::UNSHARE_DEVICE)
    }

    /// Opens a device node that is elsewhere.
    ///
    /// ```no_run
    /// let device = unshare_device::Device::open_at("/run/container/dev/unshare")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of open(2).
    pub fn open_at(path: impl Arg) -> io::Result<Self> {
        let fd = openat(CWD, path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self(fd))
    }

    /// Asks what this kernel can do, and what the caller shares.
    ///
    /// ```no_run
    /// use unshare_device::{Contexts, Device};
    ///
    /// let query = Device::open()?.query()?;
    /// if query.shared.contains(Contexts::FILES) {
    ///     println!("another task sees what this one opens and closes");
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ENOTTY` when the device is not `/dev/unshare`.
    pub fn query(&self) -> io::Result<Query> {
        // SAFETY: The opcode says that the kernel writes a `struct unshare_query`, which any bytes
        // make a valid one of.
        let query = unsafe {
            let getter = Getter::<{ raw::UNSHARE_IOC_QUERY }, raw::unshare_query>::new();
            ioctl(&self.0, getter)?
        };
        Ok(query.into())
    }

    /// Replaces all that the request names, or nothing, for the calling task alone. Returns the
    /// contexts that were replaced, with those that the request implied, or, in a dry run, those
    /// that would be.
    ///
    /// ```no_run
    /// use unshare_device::{Contexts, Device, Request};
    ///
    /// let device = Device::open()?;
    /// // SAFETY: The descriptor table stays.
    /// let replaced = unsafe { device.commit(&Request::new().unshare(Contexts::MOUNT))? };
    /// // The root directory is one of the mount namespace, so both changed.
    /// assert!(replaced.contains(Contexts::MOUNT));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The [`Error`] has the context that stopped the request and its errno, for a context that
    /// unshare(2) knows the same as there: `EPERM` without CAP_SYS_ADMIN, `ENOSPC` over one of the
    /// `user.max_*_namespaces`, `EMFILE` over `fs.nr_open`, `EINVAL` for a context that this task
    /// cannot leave, `ENOMEM`.
    ///
    /// What is attached adds those of setns(2) with a pidfd. Without a context, as they are about
    /// the pidfd: `EBADF`; `EINVAL` when it is not one; `ESRCH` when the task has ended, reaped or
    /// not; `EPERM` when the caller may not look at it (ptrace(2), `PTRACE_MODE_READ_REALCREDS`).
    /// With one:
    ///
    /// - `EPERM`: CAP_SYS_ADMIN is missing in the user namespace that owns the task's, or, with
    ///   those that the request attaches, in the caller's own; for [`Contexts::MOUNT`] and
    ///   [`Contexts::FS`] also CAP_SYS_CHROOT;
    /// - `EINVAL`: [`Contexts::USER`] is the caller's own, [`Contexts::PID`] is not below the
    ///   caller's, or, as [`Contexts::THREAD`], the caller of [`Contexts::USER`] has other threads;
    /// - `EUSERS`: with [`Contexts::TIME`], another task uses the caller's address space;
    /// - `EACCES`: with [`Contexts::FS`], the directories may not be looked at or entered.
    ///
    /// # Safety
    ///
    /// Owners and borrows of descriptors (`OwnedFd`, `BorrowedFd`, `File`, ...) take it that a
    /// number means the same file in every thread, for as long as they live. [`Contexts::FILES`]
    /// can break that; a dry run, and a request without it, cannot. After it,
    ///
    /// - what one thread opened must not be used or dropped by a thread with another table;
    /// - what [`Request::close_range`] covered must not be used or dropped at all (pass the owners
    ///   to [`std::mem::forget`]). This `Device` may be among them.
    ///
    /// [`Contexts::VM`] replaces the address space by a copy, as fork(2) makes one: what
    /// madvise(2) with `MADV_DONTFORK` or `MADV_WIPEONFORK` was said about must not be relied upon.
    pub unsafe fn commit(&self, request: &Request<'_>) -> Result<Contexts> {
        // SAFETY: By the caller's promise.
        unsafe { self.update::<{ raw::UNSHARE_IOC_COMMIT }>(request) }
    }

    /// [`commit`](Self::commit) of what takes no privilege: a request that names one of
    /// [`Contexts::NAMESPACES`], or attaches, is `EPERM`.
    ///
    /// It has its own ioctl number, so a seccomp filter, which cannot look into the request, can
    /// allow this one alone.
    ///
    /// ```no_run
    /// use unshare_device::{Contexts, Device, Errno, Request};
    ///
    /// let device = Device::open()?;
    /// let request = Request::new().unshare(Contexts::FS | Contexts::NET);
    /// // SAFETY: The descriptor table stays.
    /// let error = unsafe { device.commit_local(&request) }.unwrap_err();
    /// assert_eq!((error.errno, error.context), (Errno::PERM, Contexts::NET));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`commit`](Self::commit).
    ///
    /// # Safety
    ///
    /// As for [`commit`](Self::commit).
    pub unsafe fn commit_local(&self, request: &Request<'_>) -> Result<Contexts> {
        // SAFETY: By the caller's promise.
        unsafe { self.update::<{ raw::UNSHARE_IOC_LOCAL }>(request) }
    }

    /// # Safety
    ///
    /// As for [`commit`](Self::commit); `OPCODE` is that of `struct unshare_args`.
    unsafe fn update<const OPCODE: Opcode>(&self, request: &Request<'_>) -> Result<Contexts> {
        let mut args = request.to_raw();
        // SAFETY: By the opcode the kernel reads and writes a `struct unshare_args`, which any bytes
        // make a valid one of. What the request does to the process is the caller's promise.
        let result = unsafe { ioctl(&self.0, Updater::<OPCODE, _>::new(&mut args)) };
        match result {
            Ok(()) => Ok(Contexts::from_bits_retain(args.replaced)),
            Err(errno) => Err(Error {
                errno,
                context: Contexts::from_bits_retain(args.failed),
            }),
        }
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// For who passes the device on, or must forget it after a
/// [`close_range`](Request::close_range) that covered it.
impl From<Device> for OwnedFd {
    fn from(device: Device) -> Self {
        device.0
    }
}

/// A device that another process opened and passed on.
impl From<OwnedFd> for Device {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

#[cfg(test)]
mod tests;
