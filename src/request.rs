// SPDX-License-Identifier: GPL-2.0

//! Parses `struct unshare_args` into a [`Request`], adds the implied contexts and checks the result.
//!
//! All functions here are pure: callers pass in what they must know about the kernel and the task.
//!
//! # The order of the checks
//!
//! A request with several faults reports the one that `setns(2)` and, after it, `unshare(2)` would
//! report. The struct is checked here, everything else in `Prepared::prepare`:
//!
//! | call    | what is checked, in this order   | fails with     | mirrors                        |
//! |---------|----------------------------------|----------------|--------------------------------|
//! | both    | unknown bits, close range        | EINVAL         | `check_setns_flags()`          |
//! |         | LOCAL: no privileged context     | EPERM          |                                |
//! |         | this kernel supports the context | EINVAL         | the inline `copy_*_ns()`       |
//! |         | HOLD: each context can be held   | EINVAL         |                                |
//! | setns   | the pidfd                        | EBADF, EINVAL  | `setns()`                      |
//! |         | its task; may the caller read it | ESRCH, EPERM   | `validate_nsset()`             |
//! |         | that task's directories          | EACCES         | opening `/proc/PID/root`       |
//! |         | CLONE_NEWUSER                    | EINVAL, EPERM  | `userns_install()`             |
//! |         | each other kind, in `ORDER`      | EPERM, ...     | `ns->ops->install()`           |
//! |         | directories, by new credentials  | EACCES, EPERM  | `chroot(2)`, `fchdir(2)`       |
//! | unshare | CLONE_NEWUSER: the sysctl        | EPERM          | `ksys_unshare()`               |
//! |         | threads                          | EINVAL         | `check_unshare_flags()`        |
//! |         | the size of the descriptor table | EMFILE         | `unshare_fd()`                 |
//! |         | CLONE_NEWUSER: limit, root, IDs  | ENOSPC, EPERM  | `create_user_ns()`             |
//! |         | CAP_SYS_ADMIN over the new ones  | EPERM          | `unshare_nsproxy_namespaces()` |
//! |         | each other kind, in `ORDER`      | ENOSPC, EINVAL | `create_new_namespaces()`      |
//! |         | counters of the new credentials  | EAGAIN         | `set_cred_ucounts()`           |
//! | neither | HOLD: the descriptor             | EMFILE         | `memfd_create()`               |
//! |         | the answer can be written        | EFAULT         |                                |
//! |         | HOLD: the file                   | ENFILE         | `memfd_create()`               |
//! |         | the address space can be left    | EBUSY, EINTR   | `dup_mm()`                     |
//! |         | no task looks into the caller    | EBUSY, EINTR   | `exec_mmap()`, with a limit    |
//!
//! Each step that copies may fail with ENOMEM. If the out fields cannot be written, every failure is EFAULT. Two checks come earlier than in the system calls. The
//! struct must be valid on this kernel before anything else is checked. If the attached directories have another
//! root, a new user namespace is refused (EPERM) before the sysctl, the threads and the limits are
//! checked.

use core::ops::RangeInclusive;
use kernel::prelude::*;

use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    failure::Failure,
    sys::bindings::{
        unshare_args,
        UNSHARE_CLOSE_RANGE,
        UNSHARE_DRY_RUN,
        UNSHARE_HOLD, //
    },
};

/// The bit of `unshare(2)` for an empty mount namespace; `clone3(2)` has another bit for it.
pub(crate) const UNSHARE_EMPTY_MNTNS: u64 = kernel::bindings::UNSHARE_EMPTY_MNTNS as u64;

/// The options that every kernel has.
pub(crate) const OPTIONS: u32 = UNSHARE_DRY_RUN | UNSHARE_CLOSE_RANGE;

/// The options that a kernel may lack.
pub(crate) const OPTIONS_OF_HOLDING: u32 = UNSHARE_HOLD;

/// What this kernel supports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered {
    /// The contexts that a request may unshare.
    pub(crate) unshare: Contexts,
    /// The contexts that a request may attach.
    pub(crate) attach: Contexts,
    /// The bits of `unshare_args.options`.
    pub(crate) options: u32,
}

impl Offered {
    /// No context and no option.
    pub(crate) const NOTHING: Self = Self {
        unshare: Contexts::empty(),
        attach: Contexts::empty(),
        options: 0,
    };
}

/// The command that carries the request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// `UNSHARE_IOC_COMMIT`.
    All,
    /// `UNSHARE_IOC_LOCAL`: only contexts that need no privilege.
    Local,
}

/// A valid request, with the implied contexts.
#[derive(Debug)]
pub(crate) struct Request {
    /// The contexts to stop sharing.
    pub(crate) unshare: Contexts,
    /// The contexts to take from the target first.
    pub(crate) attach: Contexts,
    /// The caller's descriptor for the target, if `attach` is not empty.
    pub(crate) pidfd: i32,
    /// The descriptors that the caller does not keep.
    pub(crate) close_range: Option<RangeInclusive<u32>>,
    /// Whether to stop before the commit.
    pub(crate) dry_run: bool,
    /// Whether to make a descriptor that holds what is prepared, instead of a commit.
    pub(crate) hold: bool,
}

impl Request {
    /// Parses the arguments.
    pub(crate) fn parse(
        args: &unshare_args,
        scope: Scope,
        offered: &Offered,
    ) -> Result<Self, Failure> {
        let mut unshare = args.unshare;
        if unshare & UNSHARE_EMPTY_MNTNS != 0 {
            unshare = unshare & !UNSHARE_EMPTY_MNTNS | Contexts::from(Context::EmptyMount).bits();
        }
        let unshare = Contexts::from_bits(unshare);
        let attach = Contexts::from_bits(args.attach);
        let attachable = Contexts::NAMESPACES | Context::Fs;

        let unknown = !unshare
            .without(Contexts::from_bits(Contexts::all_bits()))
            .is_empty()
            || !attach.without(attachable).is_empty()
            || args.options & !offered.options != 0;
        if unknown || attach.is_empty() && args.pidfd != 0 {
            return Err(Failure::of_arguments(EINVAL));
        }
        let close_range = parse_close_range(args, unshare)?;

        if scope == Scope::Local {
            let privileged = unshare & (Contexts::NAMESPACES | Context::EmptyMount) | attach;
            refuse(privileged, EPERM)?;
        }
        refuse(attach.without(offered.attach), EINVAL)?;
        let unshare = imply(unshare, attach);
        refuse(unshare.without(offered.unshare), EINVAL)?;
        let hold = args.options & UNSHARE_HOLD != 0;
        if hold {
            refuse((unshare | attach).without(Contexts::HOLDABLE), EINVAL)?;
            if scope == Scope::Local || (unshare | attach).is_empty() {
                return Err(Failure::of_arguments(EINVAL));
            }
        }

        Ok(Self {
            unshare,
            attach,
            pidfd: args.pidfd,
            close_range,
            dry_run: args.options & UNSHARE_DRY_RUN != 0,
            hold,
        })
    }

    /// Returns a request to attach these contexts from a held set, without a pidfd.
    pub(crate) fn attaching(attach: Contexts) -> Self {
        Self {
            unshare: Contexts::empty(),
            attach,
            pidfd: 0,
            close_range: None,
            dry_run: false,
            hold: false,
        }
    }

    /// Refuses the contexts that a task with other threads cannot leave. Mirrors `check_unshare_flags()`.
    pub(crate) fn check(&self, has_threads: impl FnOnce() -> bool) -> Result<(), Failure> {
        let alone = Context::Thread | Context::Sighand | Context::Vm | Context::User;
        if self.unshare.contains_any(alone) && has_threads() {
            return Err(Failure::of(Context::Thread)(EINVAL));
        }
        Ok(())
    }
}

/// Adds the implied contexts.
fn imply(mut unshare: Contexts, attach: Contexts) -> Contexts {
    if unshare.contains(Context::Thread) {
        unshare |= Context::Vm;
    }
    if unshare.contains(Context::Vm) {
        unshare |= Context::Sighand;
    }
    if unshare.contains(Context::EmptyMount) {
        unshare |= Context::Mount;
    }
    // With a shared `fs_struct`, a new mount namespace would move the root of the sharers, and a caller that
    // has all capabilities in another user namespace could do so with chroot(2).
    if (unshare | attach).contains_any(Context::Mount | Context::User) {
        unshare |= Context::Fs;
    }
    unshare
}

fn parse_close_range(
    args: &unshare_args,
    unshare: Contexts,
) -> Result<Option<RangeInclusive<u32>>, Failure> {
    let (first, last) = (args.close_first, args.close_last);
    match args.options & UNSHARE_CLOSE_RANGE != 0 {
        true if unshare.contains(Context::Files) && first <= last => Ok(Some(first..=last)),
        false if first == 0 && last == 0 => Ok(None),
        _ => Err(Failure::of_arguments(EINVAL)),
    }
}

/// Fails with the lowest context of the set, unless the set is empty.
fn refuse(contexts: Contexts, errno: Error) -> Result<(), Failure> {
    match contexts.is_empty() {
        true => Ok(()),
        false => Err(Failure::of(contexts.lowest())(errno)),
    }
}

#[cfg(CONFIG_KUNIT = "y")]
mod kunit;
