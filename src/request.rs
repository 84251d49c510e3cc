// SPDX-License-Identifier: GPL-2.0

//! What was asked for: the ABI's struct turned into something that means something.
//!
//! All of it is pure: what it has to know of the kernel and the task, it is given.
//!
//! # The order of the checks
//!
//! A request with several faults reports the one that `setns(2)` and, after it, `unshare(2)` would
//! report. The struct is looked at here, the rest in `Prepared::prepare`:
//!
//! | call    | what is checked, in this order   | fails with     | mirrors                        |
//! |---------|----------------------------------|----------------|--------------------------------|
//! | both    | unknown bits, close range        | EINVAL         | `check_setns_flags()`          |
//! |         | LOCAL, and what takes privilege  | EPERM          |                                |
//! |         | what this kernel does not have   | EINVAL         | the inline `copy_*_ns()`       |
//! |         | HOLD, and what cannot be held    | EINVAL         |                                |
//! | setns   | the pidfd                        | EBADF, EINVAL  | `setns()`                      |
//! |         | its task; may one look at it     | ESRCH, EPERM   | `validate_nsset()`             |
//! |         | that task's directories          | EACCES         | opening `/proc/PID/root`       |
//! |         | CLONE_NEWUSER                    | EINVAL, EPERM  | `userns_install()`             |
//! |         | each other kind, in `ORDER`      | EPERM, ...     | `ns->ops->install()`           |
//! |         | directories, by new credentials  | EACCES, EPERM  | `chroot(2)`, `fchdir(2)`       |
//! | unshare | CLONE_NEWUSER: the sysctl        | EPERM          | `ksys_unshare()`               |
//! |         | threads                          | EINVAL         | `check_unshare_flags()`        |
//! |         | the size of the descriptor table | EMFILE         | `unshare_fd()`                 |
//! |         | CLONE_NEWUSER: limit, then more  | ENOSPC, EPERM  | `create_user_ns()`             |
//! |         | privilege where they belong      | EPERM          | `unshare_nsproxy_namespaces()` |
//! |         | each other kind, in `ORDER`      | ENOSPC, EINVAL | `create_new_namespaces()`      |
//! |         | the counters of the new user     | EAGAIN         | `set_cred_ucounts()`           |
//! | neither | HOLD: descriptor, then file      | EMFILE, ENFILE | `memfd_create()`               |
//! |         | the answer can be written        | EFAULT         |                                |
//! |         | the address space can be left    | EBUSY, EINTR   | `dup_mm()`                     |
//! |         | no task looks into the caller    | EBUSY, EINTR   | `exec_mmap()`, with a limit    |
//!
//! ENOMEM may come at each step that copies. Two rows are not where the system calls have them: the
//! struct has to make sense on this kernel before anything else is looked at, and where attached directories have
//! another root, a new user namespace is refused (EPERM) before the sysctl, the threads and the
//! limits are looked at.

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

/// The syscall's own bit for an empty mount namespace, which `clone3(2)` has another one for.
pub(crate) const UNSHARE_EMPTY_MNTNS: u64 = kernel::bindings::UNSHARE_EMPTY_MNTNS as u64;

/// The options that every kernel has.
pub(crate) const OPTIONS: u32 = UNSHARE_DRY_RUN | UNSHARE_CLOSE_RANGE;

/// Those that a kernel may lack.
pub(crate) const OPTIONS_OF_HOLDING: u32 = UNSHARE_HOLD;

/// What can be asked for on this kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered {
    /// To stop sharing.
    pub(crate) unshare: Contexts,
    /// To take from another task.
    pub(crate) attach: Contexts,
    /// The options, `UNSHARE_HOLD` and so on.
    pub(crate) options: u32,
}

impl Offered {
    /// Nothing at all.
    pub(crate) const NOTHING: Self = Self {
        unshare: Contexts::empty(),
        attach: Contexts::empty(),
        options: 0,
    };
}

/// Which of the two commands it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// `UNSHARE_IOC_COMMIT`.
    All,
    /// `UNSHARE_IOC_LOCAL`: only what needs no privilege.
    Local,
}

/// A request that can be prepared.
#[derive(Debug)]
pub(crate) struct Request {
    /// The contexts to replace, the implied ones among them.
    pub(crate) unshare: Contexts,
    /// What to take, before that, from the task behind `pidfd`.
    pub(crate) attach: Contexts,
    /// A descriptor of the running task, if anything is to be attached.
    pub(crate) pidfd: i32,
    /// The descriptors that the task does not keep.
    pub(crate) close_range: Option<RangeInclusive<u32>>,
    /// Whether to stop short of the commit.
    pub(crate) dry_run: bool,
    /// Whether a descriptor is to hold what is prepared, instead of a commit.
    pub(crate) hold: bool,
}

impl Request {
    /// Makes a request of the arguments.
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

    /// Makes a request to attach these contexts, from something that is no task.
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

    /// Checks that nothing is asked for that the task cannot leave.
    ///
    /// Mirrors `check_unshare_flags()`.
    pub(crate) fn check(&self, has_threads: impl FnOnce() -> bool) -> Result<(), Failure> {
        let alone = Context::Thread | Context::Sighand | Context::Vm | Context::User;
        if self.unshare.contains_any(alone) && has_threads() {
            return Err(Failure::of(Context::Thread)(EINVAL));
        }
        Ok(())
    }
}

/// Adds what cannot be had without.
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
    // A task that is an administrator of another namespace must not move others' root, nor must
    // one that goes to another mount namespace.
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

/// Fails with the lowest of the contexts, if there is one.
fn refuse(contexts: Contexts, errno: Error) -> Result<(), Failure> {
    match contexts.is_empty() {
        true => Ok(()),
        false => Err(Failure::of(contexts.lowest())(errno)),
    }
}

#[cfg(CONFIG_KUNIT = "y")]
mod kunit;
