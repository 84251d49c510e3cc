// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::c_void;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::process;

use rustix::ioctl::{Ioctl, IoctlOutput, NoArg, Opcode, ioctl};

use crate::{Contexts, Device, Error, Options, Request, Result, raw};

/// A descriptor that holds contexts, for threads that enter them for a moment and come back.
///
/// Any number of threads may be inside at once. A thread may enter one `Held` while it is inside another, and
/// must leave them in the opposite order.
///
/// ```no_run
/// use std::os::fd::AsFd;
/// use unshare_device::{Contexts, Request};
///
/// # fn run(container: std::os::fd::OwnedFd) -> std::io::Result<()> {
/// let request = Request::new().attach(Contexts::NET, container.as_fd());
/// let held = request.hold()?;
/// {
///     let _inside = held.enter()?;
///     // A socket that this thread opens here belongs to the container's network.
/// }
/// // The thread is back.
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Held(OwnedFd);

impl Device {
    /// Prepares everything that the request names, and returns a descriptor that holds it. Nothing changes for
    /// the caller.
    ///
    /// The request may name [`Contexts::FS`] and namespaces other than [`Contexts::USER`] and
    /// [`Contexts::TIME`]. The kernel supports this if [`Query::options`](crate::Query::options) has
    /// [`Options::HOLD`].
    ///
    /// ```no_run
    /// use unshare_device::{Contexts, Device, Request};
    ///
    /// let device = Device::open()?;
    /// let held = device.hold(&Request::new().unshare(Contexts::NET))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`commit`](Self::commit); `EINVAL` with the context that cannot be held; `EINVAL` without a
    /// context if the kernel does not support this, or if the request names no context; `EMFILE`, `ENFILE`.
    pub fn hold(&self, request: &Request<'_>) -> Result<Held> {
        let mut args = request.to_raw();
        args.options |= Options::HOLD.bits();
        args.options &= !Options::DRY_RUN.bits();
        // SAFETY: The opcode is that of `struct unshare_args`: the kernel reads and writes no other struct. The
        // request changes nothing in the process.
        match unsafe { ioctl(self, Hold(&mut args)) } {
            Ok(fd) => Ok(Held(fd)),
            Err(errno) => Err(Error {
                errno,
                context: Contexts::from_bits_retain(args.failed),
            }),
        }
    }
}

impl Request<'_> {
    /// Opens the device and holds the contexts of the request: see [`Device::hold`].
    ///
    /// ```no_run
    /// use unshare_device::{Contexts, Request};
    ///
    /// let held = Request::new().unshare(Contexts::NET | Contexts::MOUNT).hold()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Device::open`] and [`Device::hold`].
    pub fn hold(&self) -> io::Result<Held> {
        Ok(Device::open()?.hold(self)?)
    }
}

impl Held {
    /// Puts the calling thread into the held contexts until the guard is dropped.
    ///
    /// ```no_run
    /// # fn run(held: unshare_device::Held) -> std::io::Result<()> {
    /// use std::net::TcpListener;
    ///
    /// let inside = held.enter()?;
    /// let listener = TcpListener::bind("127.0.0.1:80")?;
    /// inside.leave()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ENOSPC` if the thread has entered 32 times without leaving. A thread that does not have the
    /// credentials with which the contexts were prepared also gets the errors of setns(2), chroot(2) and
    /// fchdir(2): `EPERM`, `EACCES`, and `EINVAL` if the held PID namespace is not below the thread's own.
    pub fn enter(&self) -> io::Result<Inside<'_>> {
        // SAFETY: The command has no argument, and changes neither memory nor descriptors.
        unsafe { ioctl(self, NoArg::<{ raw::UNSHARE_IOC_ENTER }>::new())? };
        Ok(Inside {
            held: self,
            _not_send: PhantomData,
        })
    }
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// For a process that passes the descriptor to another process.
impl From<Held> for OwnedFd {
    fn from(held: Held) -> Self {
        held.0
    }
}

/// For a process that got the descriptor from another process.
impl From<OwnedFd> for Held {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

/// A thread that is inside held contexts. Dropping this guard leaves: the thread gets back the namespaces and
/// directories that it had before, not copies of them.
///
/// The guard cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// fn send(inside: unshare_device::Inside<'static>) {
///     std::thread::spawn(move || drop(inside));
/// }
/// ```
///
/// Leaving fails only if the thread has entered another [`Held`] and not left it, or has itself changed its
/// credentials, its time namespace or, in a [`Held`] without [`Contexts::FS`], its mount namespace inside. A thread
/// that is still inside must not do other work, so if leaving fails, the drop aborts the process. [`leave`](Self::leave) returns the error instead. A child that is forked inside stays inside for
/// good, so it must not drop its copy of the guard.
#[derive(Debug)]
#[must_use = "the thread leaves as soon as this is dropped"]
pub struct Inside<'held> {
    held: &'held Held,
    _not_send: PhantomData<*const ()>,
}

impl Inside<'_> {
    /// Leaves as the drop does, but returns the error.
    ///
    /// ```no_run
    /// # fn run(inside: unshare_device::Inside<'_>) {
    /// if let Err(error) = inside.leave() {
    ///     // This thread is still inside: it must end.
    ///     eprintln!("cannot leave: {error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `EBUSY` if the thread has entered another [`Held`] since, or has changed its mount namespace and the
    /// [`Held`] has no directories. `EUSERS` if the thread has changed its time namespace, and its address space is
    /// shared. `EPERM` if its credentials have changed since, and setns(2) or chroot(2) would refuse the way back.
    /// In all cases, the thread is still inside.
    pub fn leave(self) -> io::Result<()> {
        let left = self.try_leave();
        std::mem::forget(self);
        left
    }

    fn try_leave(&self) -> io::Result<()> {
        // SAFETY: As for `enter`.
        unsafe { ioctl(self.held, NoArg::<{ raw::UNSHARE_IOC_LEAVE }>::new())? };
        Ok(())
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.try_leave() {
            // Not `eprintln!`, which panics if it cannot write: the thread would go on inside.
            let _ = writeln!(io::stderr(), "cannot leave a held context: {error}");
            process::abort();
        }
    }
}

/// COMMIT with `UNSHARE_HOLD`, which returns a descriptor.
struct Hold<'a>(&'a mut raw::unshare_args);

// SAFETY: The opcode is that of `struct unshare_args`, to which the pointer points. On success, the kernel returns
// a new descriptor.
unsafe impl Ioctl for Hold<'_> {
    type Output = OwnedFd;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        raw::UNSHARE_IOC_COMMIT
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self.0).cast()
    }

    unsafe fn output_from_ptr(fd: IoctlOutput, _: *mut c_void) -> rustix::io::Result<OwnedFd> {
        // SAFETY: The kernel made the descriptor for this call, so this is its only owner.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}
