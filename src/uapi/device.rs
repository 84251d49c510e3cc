// SPDX-License-Identifier: GPL-2.0-only

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::ioctl::{Getter, Opcode, Updater, ioctl};
use rustix::path::Arg;

use crate::{Contexts, Error, Query, Request, Result, raw};

/// The open device. It has no state, so a process needs only one.
///
/// A request changes the task that makes it, no matter which task opened the device.
///
/// ```no_run
/// use std::os::fd::OwnedFd;
/// use unshare_device::Device;
///
/// let device = Device::open()?;
/// // Another process can get the descriptor, and make a `Device` from it.
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
    /// `ENOENT` if the module is not loaded. `EACCES` if the caller may not open the node (mode 0600, owned
    /// by root, by default).
    pub fn open() -> io::Result<Self> {
        Self::open_at(raw::UNSHARE_DEVICE)
    }

    /// Opens a device node at another path.
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

    /// Returns what this kernel supports, and what the caller shares.
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
    /// `ENOTTY` if the descriptor is not one of the unshare device.
    pub fn query(&self) -> io::Result<Query> {
        // SAFETY: The opcode is that of `struct unshare_query`: the kernel writes no other struct. Any bytes are a
        // valid value of it.
        let query = unsafe {
            let getter = Getter::<{ raw::UNSHARE_IOC_QUERY }, raw::unshare_query>::new();
            ioctl(&self.0, getter)?
        };
        Ok(query.into())
    }

    /// Replaces everything that the request names, or nothing. Changes the calling task only.
    ///
    /// Returns the contexts that were replaced, including implied ones; in a dry run, those that would be.
    ///
    /// ```no_run
    /// use unshare_device::{Contexts, Device, Request};
    ///
    /// let device = Device::open()?;
    /// // SAFETY: The request does not replace the descriptor table.
    /// let replaced = unsafe { device.commit(&Request::new().unshare(Contexts::MOUNT))? };
    /// // `Contexts::FS` is in it too: the root directory is in the new mount namespace.
    /// assert!(replaced.contains(Contexts::MOUNT));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The [`Error`] has the errno, and the context that stopped the request. The manual unshare-device(4) lists
    /// all errors. If unshare(2) can make the same request, the errno is the same: `EPERM` without
    /// CAP_SYS_ADMIN, `ENOSPC` over one of the `user.max_*_namespaces`, `EMFILE` over `fs.nr_open`,
    /// `EINVAL` for a context that this task cannot leave, `ENOMEM`.
    ///
    /// Attaching adds the errors of setns(2) with a pidfd. These are about the pidfd and have no context:
    /// `EBADF`; `EINVAL` if it is not a pidfd; `ESRCH` if the target has ended, whether or not it was
    /// reaped; `EPERM` if the caller may not access the target (ptrace(2), `PTRACE_MODE_READ_REALCREDS`).
    /// These name a context:
    ///
    /// - `EPERM`: the caller lacks CAP_SYS_ADMIN in the user namespace that owns the target's namespace, or
    ///   in its own (the attached one, with [`Contexts::USER`]); for [`Contexts::MOUNT`] and
    ///   [`Contexts::FS`], also CAP_SYS_CHROOT.
    /// - `EINVAL`: the target is in the caller's [`Contexts::USER`]; the target's [`Contexts::PID`] is
    ///   neither the caller's nor below it; or, as [`Contexts::THREAD`], a caller that attaches
    ///   [`Contexts::USER`] has other threads.
    /// - `EUSERS`: with [`Contexts::TIME`], another task uses the caller's address space.
    /// - `EACCES`: with [`Contexts::FS`], the caller may not look up or enter the directories.
    ///
    /// # Safety
    ///
    /// Owners and borrows of descriptors (`OwnedFd`, `BorrowedFd`, `File`, ...) assume that a number means
    /// the same file in every thread, for as long as they live. A request with [`Contexts::FILES`] that is
    /// not a dry run can break that assumption. After such a request:
    ///
    /// - A thread must not use or drop a descriptor that a thread with another table opened.
    /// - No thread with the new table may use or drop a descriptor in the [`Request::close_range`]. Pass
    ///   the owners, which may include this `Device`, to [`std::mem::forget`].
    ///
    /// [`Contexts::VM`] replaces the address space by a copy, as fork(2) makes it. The caller must not rely on
    /// the contents of memory with `MADV_DONTFORK` or `MADV_WIPEONFORK` (madvise(2)).
    pub unsafe fn commit(&self, request: &Request<'_>) -> Result<Contexts> {
        // SAFETY: The caller keeps the safety requirements, which are the same.
        unsafe { self.update::<{ raw::UNSHARE_IOC_COMMIT }>(request) }
    }

    /// Does the same as [`commit`](Self::commit), for contexts that need no privilege. A request that names
    /// one of [`Contexts::NAMESPACES`], or attaches, is `EPERM`.
    ///
    /// A seccomp filter sees the number of an ioctl but not the request. This call has a number of its own, so
    /// a sandbox can allow this call only.
    ///
    /// ```no_run
    /// use unshare_device::{Contexts, Device, Errno, Request};
    ///
    /// let device = Device::open()?;
    /// let request = Request::new().unshare(Contexts::FS | Contexts::NET);
    /// // SAFETY: The request does not replace the descriptor table.
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
        // SAFETY: The caller keeps the safety requirements, which are the same.
        unsafe { self.update::<{ raw::UNSHARE_IOC_LOCAL }>(request) }
    }

    /// # Safety
    ///
    /// As for [`commit`](Self::commit). `OPCODE` must be a command with a `struct unshare_args`.
    unsafe fn update<const OPCODE: Opcode>(&self, request: &Request<'_>) -> Result<Contexts> {
        let mut args = request.to_raw();
        // SAFETY: The opcode is that of `struct unshare_args`: the kernel reads and writes no other struct. Any
        // bytes are a valid value of it. The caller vouches for what the request does to the process.
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

/// For a caller that passes the device to another process, or that must forget it because a
/// [`close_range`](Request::close_range) included it.
impl From<Device> for OwnedFd {
    fn from(device: Device) -> Self {
        device.0
    }
}

/// For a process that got the descriptor from another process.
impl From<OwnedFd> for Device {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

#[cfg(test)]
mod tests;
