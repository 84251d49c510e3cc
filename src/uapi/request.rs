// SPDX-License-Identifier: GPL-2.0-only

use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::{Contexts, Options, raw};

/// What to stop sharing, for [`Device::commit`](crate::Device::commit).
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
    pub fn new() -> Self {
        Self::default()
    }

    /// Also stop sharing these contexts.
    ///
    /// Which bits a kernel takes is in [`Query::contexts`](crate::Query::contexts).
    pub fn unshare(mut self, contexts: Contexts) -> Self {
        self.unshare |= contexts;
        self
    }

    /// Take these contexts (namespaces, and [`Contexts::FS`]) from the task behind `pidfd`, before
    /// the unsharing: a context that both name becomes the caller's own copy of that task's.
    ///
    /// A request has one such task: a second call replaces the first. Which bits a kernel takes is
    /// in [`Query::attachable`](crate::Query::attachable).
    pub fn attach(mut self, contexts: Contexts, pidfd: BorrowedFd<'fd>) -> Self {
        self.attach = Some((contexts, pidfd));
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
    pub fn close_range(mut self, range: RangeInclusive<u32>) -> Self {
        self.close_range = Some(range);
        self
    }

    /// Whether to prepare everything and report, but to change nothing.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Whether nothing is to be changed.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// The struct that the ioctl takes.
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
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn nothing_is_all_zero() {
        assert_eq!(Request::new().to_raw(), raw::unshare_args::default());
    }

    #[test]
    fn every_part_has_its_field() {
        let stdin = std::io::stdin();
        let request = Request::new()
            .unshare(Contexts::FS)
            .unshare(Contexts::FILES)
            .attach(Contexts::NET, stdin.as_fd())
            .close_range(3..=u32::MAX)
            .dry_run(true);
        let expected = raw::unshare_args {
            unshare: raw::CLONE_FS | raw::CLONE_FILES,
            attach: raw::CLONE_NEWNET,
            pidfd: 0,
            options: raw::UNSHARE_DRY_RUN | raw::UNSHARE_CLOSE_RANGE,
            close_first: 3,
            close_last: u32::MAX,
            replaced: 0,
            failed: 0,
        };
        assert_eq!(request.to_raw(), expected);
    }
}
