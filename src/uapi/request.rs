// SPDX-License-Identifier: GPL-2.0-only

use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::{Contexts, Options, raw};

/// What to attach to and what to stop sharing, for [`Device::commit`](crate::Device::commit).
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
    /// A request for nothing, which succeeds.
    ///
    /// ```
    /// let request = unshare_device::Request::new();
    /// assert!(request.unshared().is_empty() && request.attached().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Also stop sharing these contexts.
    ///
    /// Which bits a kernel takes is in [`Query::contexts`](crate::Query::contexts).
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

    /// Take these contexts from the task behind `pidfd`, before the unsharing: of a context that
    /// both name, the caller gets its own copy of that task's.
    ///
    /// They may be namespaces, and [`Contexts::FS`]: root and working directory, as nsenter(1) with
    /// `--root --wd`, while the umask stays. [`Contexts::MOUNT`] moves both to the root of the mount
    /// namespace, from where [`Contexts::FS`] takes them to the task's. As of setns(2),
    /// [`Contexts::PID`] is about children born from now on.
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
    ///     // SAFETY: The descriptor table stays.
    ///     unsafe { device.commit(&request) }
    /// }
    /// ```
    ///
    /// A request has one such task: a second call replaces the first, and one with no contexts
    /// takes it back. Which bits a kernel takes is in
    /// [`Query::attachable`](crate::Query::attachable).
    ///
    /// The pidfd is one of pidfd_open(2), with or without `PIDFD_THREAD`, or of clone(2), and may
    /// come from another process. It may be in the [`close_range`](Self::close_range).
    pub fn attach(mut self, contexts: Contexts, pidfd: BorrowedFd<'fd>) -> Self {
        self.attach = (!contexts.is_empty()).then_some((contexts, pidfd));
        self
    }

    /// With [`Contexts::FILES`]: leave the descriptors in `range` out of the caller's new table, as
    /// close_range(2) with `CLOSE_RANGE_UNSHARE` does. Other tasks that share the old table keep
    /// them. In a table that nobody shares they are closed.
    ///
    /// The device's own descriptor may be among them.
    ///
    /// Without [`Contexts::FILES`], or with an end before the start, the request is `EINVAL`. What
    /// becomes of the descriptors' owners in Rust is part of the promise that
    /// [`Device::commit`](crate::Device::commit) takes.
    ///
    /// ```no_run
    /// use unshare_device::{Contexts, Device, Request};
    ///
    /// let device = Device::open()?;
    /// let request = Request::new().unshare(Contexts::FILES).close_range(3..=u32::MAX);
    /// // SAFETY: There is one thread, and what it owns above stderr is the device.
    /// unsafe { device.commit(&request)? };
    /// std::mem::forget(device);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_range(mut self, range: RangeInclusive<u32>) -> Self {
        self.close_range = Some(range);
        self
    }

    /// Whether to prepare everything and report, but to change nothing.
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

    /// What is to be unshared, without what that implies.
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

    /// What is to be attached.
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

    /// Whether nothing is to be changed.
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

    /// The struct that the ioctl takes.
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
