// SPDX-License-Identifier: GPL-2.0-only

use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::{Contexts, Options, raw};

/// The contexts to attach and to stop sharing, for [`Device::commit`](crate::Device::commit).
///
/// ```
/// use unshare_device::{Contexts, Request};
///
/// let request = Request::new()
///     .unshare(Contexts::UTS | Contexts::FILES)
///     .close_range(3..=u32::MAX)
///     .dry_run(true);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a request does nothing until it is committed"]
pub struct Request<'fd> {
    unshare: Contexts,
    attach: Option<(Contexts, BorrowedFd<'fd>)>,
    close_range: Option<RangeInclusive<u32>>,
    dry_run: bool,
}

impl<'fd> Request<'fd> {
    /// A request that names no context. It succeeds and changes nothing.
    ///
    /// ```
    /// let request = unshare_device::Request::new();
    /// assert!(request.unshared().is_empty() && request.attached().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds contexts to stop sharing.
    ///
    /// [`Query::contexts`](crate::Query::contexts) has the bits that the kernel accepts.
    ///
    /// ```
    /// use unshare_device::{Contexts, Request};
    ///
    /// let request = Request::new().unshare(Contexts::UTS).unshare(Contexts::IPC);
    /// assert_eq!(request.unshared(), Contexts::UTS | Contexts::IPC);
    /// ```
    pub fn unshare(mut self, contexts: Contexts) -> Self {
        self.unshare |= contexts;
        self
    }

    /// Takes these contexts from the target, which is the task behind `pidfd`, before anything is unshared. If
    /// both halves name a context, the caller gets its own copy of the target's.
    ///
    /// The contexts may be namespaces and [`Contexts::FS`]. [`Contexts::FS`] means root and working
    /// directory, as nsenter(1) with `--root --wd` does; the umask stays. [`Contexts::MOUNT`] without
    /// [`Contexts::FS`] moves both to the root of the mount namespace. [`Contexts::PID`] affects future
    /// children only, as in setns(2).
    ///
    /// ```no_run
    /// use std::os::fd::{AsFd, OwnedFd};
    /// use unshare_device::{Contexts, Device, Request};
    ///
    /// /// Joins the network of a task, and gets a private copy of its mounts.
    /// fn join(device: &Device, pidfd: &OwnedFd) -> unshare_device::Result<Contexts> {
    ///     let request = Request::new()
    ///         .attach(Contexts::NET | Contexts::MOUNT, pidfd.as_fd())
    ///         .unshare(Contexts::MOUNT);
    ///     // SAFETY: The request does not replace the descriptor table.
    ///     unsafe { device.commit(&request) }
    /// }
    /// ```
    ///
    /// A request has one target: a second call replaces the first one, and a call without contexts
    /// removes it. [`Query::attachable`](crate::Query::attachable) has the bits that the kernel accepts.
    ///
    /// The pidfd is from pidfd_open(2), with or without `PIDFD_THREAD`, or from clone(2). Another process may
    /// have passed it on. It may be in the [`close_range`](Self::close_range).
    pub fn attach(mut self, contexts: Contexts, pidfd: BorrowedFd<'fd>) -> Self {
        self.attach = (!contexts.is_empty()).then_some((contexts, pidfd));
        self
    }

    /// With [`Contexts::FILES`]: leaves the descriptors in `range` out of the caller's new table, as
    /// close_range(2) with `CLOSE_RANGE_UNSHARE` does. Tasks that share the old table keep them. If no
    /// task shares the table, the descriptors are closed.
    ///
    /// The range may include the descriptor of the device.
    ///
    /// The request is `EINVAL` without [`Contexts::FILES`], or if the range ends before it starts. The safety
    /// requirements of [`Device::commit`](crate::Device::commit) say what Rust code must do with the owners of
    /// these descriptors.
    ///
    /// ```no_run
    /// use unshare_device::{Contexts, Device, Request};
    ///
    /// let device = Device::open()?;
    /// let request = Request::new().unshare(Contexts::FILES).close_range(3..=u32::MAX);
    /// // SAFETY: There is one thread, and it owns no descriptor above stderr except the device.
    /// unsafe { device.commit(&request)? };
    /// std::mem::forget(device);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_range(mut self, range: RangeInclusive<u32>) -> Self {
        self.close_range = Some(range);
        self
    }

    /// Sets whether to prepare everything and report, but change nothing.
    ///
    /// ```no_run
    /// use unshare_device::{Contexts, Device, Request};
    ///
    /// let device = Device::open()?;
    /// let request = Request::new().unshare(Contexts::NAMESPACES).dry_run(true);
    /// // SAFETY: A dry run changes nothing.
    /// match unsafe { device.commit(&request) } {
    ///     Ok(contexts) => println!("would replace {contexts}"),
    ///     Err(error) => println!("would fail: {error}"),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// The contexts to stop sharing, without implied ones.
    ///
    /// ```
    /// use unshare_device::{Contexts, Request};
    ///
    /// let request = Request::new().unshare(Contexts::MOUNT);
    /// assert_eq!(request.unshared(), Contexts::MOUNT);
    /// ```
    pub fn unshared(&self) -> Contexts {
        self.unshare
    }

    /// The contexts to attach.
    ///
    /// ```
    /// use std::os::fd::BorrowedFd;
    /// use unshare_device::{Contexts, Request};
    ///
    /// fn join_network(pidfd: BorrowedFd<'_>) -> Request<'_> {
    ///     let request = Request::new().attach(Contexts::NET, pidfd);
    ///     assert_eq!(request.attached(), Contexts::NET);
    ///     request
    /// }
    /// ```
    pub fn attached(&self) -> Contexts {
        self.attach
            .map_or(Contexts::empty(), |(contexts, _)| contexts)
    }

    /// Whether this is a dry run.
    ///
    /// ```
    /// use unshare_device::Request;
    ///
    /// assert!(!Request::new().is_dry_run());
    /// assert!(Request::new().dry_run(true).is_dry_run());
    /// ```
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// The struct that the ioctl reads.
    ///
    /// ```
    /// use unshare_device::{Contexts, Request, raw};
    ///
    /// let args = Request::new().unshare(Contexts::FS).dry_run(true).to_raw();
    /// assert_eq!((args.unshare, args.options), (raw::CLONE_FS, raw::UNSHARE_DRY_RUN));
    /// ```
    pub fn to_raw(&self) -> raw::unshare_args {
        let mut args = raw::unshare_args {
            unshare: self.unshare.bits(),
            ..Default::default()
        };
        let mut options = Options::empty();
        if let Some((contexts, pidfd)) = &self.attach {
            args.attach = contexts.bits();
            args.pidfd = pidfd.as_raw_fd();
        }
        if let Some(range) = &self.close_range {
            options |= Options::CLOSE_RANGE;
            args.close_first = *range.start();
            args.close_last = *range.end();
        }
        options.set(Options::DRY_RUN, self.dry_run);
        args.options = options.bits();
        args
    }
}

#[cfg(test)]
mod tests;
