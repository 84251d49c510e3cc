// SPDX-License-Identifier: GPL-2.0

//! Attaching: what of its context a task takes from another one, which a pidfd names.
//!
//! It comes before the unshare half of a request, which then works on what was attached, as if
//! there had been two calls: the permissions, the order of the checks and their errno are those of
//! `setns(2)` with a pidfd, and for [`Context::Fs`] those of opening `/proc/PID/root`, `chroot(2)`
//! and `fchdir(2)`, with the credentials that were attached.
//!
//! It has two steps. [`take`] pins what the target has, and may wait for the target, so it comes before
//! anything is prepared. [`install`] puts what was pinned into the copies, and looks at the target no
//! more.
//!
//! Three things differ from `setns(2)`:
//!
//! - A shared `fs_struct` is no obstacle: with a mount or a user namespace comes a private one, so
//!   that nobody else's root or working directory ever moves.
//! - Nor is a shared address space, if the request leaves it: the clocks of a time namespace are mapped
//!   there.
//! - A task changes its namespaces, its credentials and its directories one after the other, and
//!   may sleep in between. A request for more than one of these takes them at a moment between two
//!   changes, so that no mix is ever attached. It waits a second for that, and then fails with `EBUSY`.
//!
//! One thing is less than two calls would do: where the running task is in a chroot, a user
//! namespace can be made only after a call that leaves it, since `create_user_ns()` looks at the
//! root that the task has.

use kernel::prelude::*;

use crate::{
    contexts::{
        namespaces::ORDER,
        Context,
        Contexts, //
    },
    failure::Failure,
    request::Request,
    sys::{
        cred::Cred,
        fs_struct::FsStruct,
        nsproxy::NsProxy,
        target::{
            Settled,
            Target,
            TargetTask, //
        },
        task::Current, //
    },
};

/// Pins what the request asks for.
///
/// Waits for the target: see [`TargetTask::take`].
// For speed: if it is inlined, requests that attach nothing spill registers.
#[inline(never)]
pub(crate) fn take(current: &Current, request: &Request) -> Result<Target<Settled>, Failure> {
    let attach = request.attach;
    let task = TargetTask::of_pidfd(request.pidfd).map_err(Failure::of_arguments)?;
    task.take(current, attach)
        .map_err(|errno| refused(errno, attach))
}

/// The task, and so the pidfd, is refused; by `EACCES`, its directories are, and by `EBUSY`, what is
/// wanted of it.
fn refused(errno: Error, attach: Contexts) -> Failure {
    match errno {
        EACCES => Failure::of(Context::Fs)(errno),
        EBUSY => Failure::of(attach.lowest())(errno),
        _ => Failure::of_arguments(errno),
    }
}

/// What was attached, where it was wanted: the namespaces as a set that is new, and no task's.
#[derive(Default)]
pub(crate) struct Attached {
    pub(crate) credentials: Option<Cred>,
    pub(crate) set: Option<NsProxy>,
}

/// Puts what was pinned into copies: into `fs`, and into what is returned.
// For speed: as for `take`.
#[inline(never)]
pub(crate) fn install(
    current: &Current,
    request: &Request,
    target: &Target<Settled>,
    fs: Option<&mut FsStruct>,
) -> Result<Attached, Failure> {
    let attach = request.attach;
    let mut credentials = attach
        .contains(Context::User)
        .then(Cred::dup)
        .transpose()
        .map_err(Failure::of(Context::User))?;
    let mut set = attach
        .contains_any(Contexts::NSPROXY)
        .then(|| NsProxy::dup(current))
        .transpose()
        .map_err(Failure::of(attach.lowest()))?;
    let (new, set_of) = (credentials.as_mut(), set.as_mut());
    let is_moved = install_each(current, request, target, new, set_of, fs)?;
    // `create_user_ns()` refuses a chrooted caller; after this attach the caller is chrooted.
    if is_moved && request.unshare.contains(Context::User) {
        return Err(Failure::of(Context::User)(EPERM));
    }
    Ok(Attached { credentials, set })
}

/// Installs in the order of `validate_nsset()`, the directories last.
///
/// Returns whether these have another root than the namespace.
fn install_each(
    current: &Current,
    request: &Request,
    target: &Target<Settled>,
    mut credentials: Option<&mut Cred>,
    set: Option<&mut NsProxy>,
    mut fs: Option<&mut FsStruct>,
) -> Result<bool, Failure> {
    if let Some(credentials) = credentials.as_deref_mut() {
        if current.has_threads() {
            return Err(Failure::of(Context::Thread)(EINVAL));
        }
        target
            .install_user(current, credentials)
            .map_err(Failure::of(Context::User))?;
    }
    let attach = request.attach;
    let credentials = credentials.as_deref();
    if let Some(set) = set {
        for &kind in ORDER.iter().filter(|kind| attach.contains(**kind)) {
            match kind {
                Context::Time => {
                    let leaves_mm = request.unshare.contains(Context::Vm);
                    target.install_time(current, set, credentials, leaves_mm)
                }
                _ => {
                    // Only a mount namespace moves root and working directory.
                    let fs = fs.as_deref_mut().filter(|_| kind == Context::Mount);
                    target.install(kind, set, fs, credentials)
                }
            }
            .map_err(Failure::of(kind))?;
        }
    }
    fs.filter(|_| attach.contains(Context::Fs))
        .map_or(Ok(false), |fs| target.install_fs(fs, credentials))
        .map_err(Failure::of(Context::Fs))
}
