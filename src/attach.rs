// SPDX-License-Identifier: GPL-2.0

//! Attaching: a task takes parts of its context from a target, the task that a pidfd names.
//!
//! The attach half of a request comes before the unshare half, which then works on what was attached,
//! as if the caller had made two calls. The permissions, the order of the checks and their errno are those
//! of `setns(2)` with a pidfd. For [`Context::Fs`] they are those of opening `/proc/PID/root`, `chroot(2)`
//! and `fchdir(2)`, with the attached credentials.
//!
//! There are two steps. [`take`] pins the target's contexts. It may wait for the target, so it runs before
//! anything is prepared. [`install`] puts the pinned contexts into copies, and does not access the target.
//!
//! Three things differ from `setns(2)`:
//!
//! - The caller may share its `fs_struct`. Attaching a mount or a user namespace first gives the caller a
//!   private one, so that no sibling's root or working directory ever moves.
//! - A caller that attaches a time namespace may share its address space if the request also unshares it:
//!   the clocks are mapped into the new address space.
//! - A target changes its namespaces, its credentials and its directories one after the other, and
//!   may sleep in between. A request for more than one of these pins them between two such changes, so
//!   that no mixture is ever attached. If no such moment comes within a second, the request fails with `EBUSY`.
//!
//! In one case a request can do less than two calls. `create_user_ns()` checks the root that the caller
//! has, and a request replaces the root at its end. So a chrooted caller cannot attach a mount namespace,
//! which takes it out of the chroot, and create a user namespace in the same request.

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

/// Pins the contexts that the request attaches.
///
/// May wait for the target: see [`TargetTask::take`].
// For speed: if it is inlined, requests that attach nothing spill registers.
#[inline(never)]
pub(crate) fn take(current: &Current, request: &Request) -> Result<Target<Settled>, Failure> {
    let attach = request.attach;
    let task = TargetTask::of_pidfd(request.pidfd).map_err(Failure::of_arguments)?;
    task.take(current, attach)
        .map_err(|errno| refused(errno, attach))
}

/// Returns a failure that names what an errno of [`TargetTask::take`] is about.
///
/// `EACCES` is about the target's directories. `EBUSY` is about the lowest context to attach: the target did
/// not stop changing it. Every other errno is about the target or its pidfd, which are arguments.
fn refused(errno: Error, attach: Contexts) -> Failure {
    match errno {
        EACCES => Failure::of(Context::Fs)(errno),
        EBUSY => Failure::of(attach.lowest())(errno),
        _ => Failure::of_arguments(errno),
    }
}

/// Attached credentials, and a new set of attached namespaces. No task uses them yet.
///
/// A field is `None` if the request attaches no such context.
#[derive(Default)]
pub(crate) struct Attached {
    pub(crate) credentials: Option<Cred>,
    pub(crate) set: Option<NsProxy>,
}

/// Installs the directories into `fs`, and the other pinned contexts into copies, which it returns.
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

/// Installs the pinned contexts in the order of `validate_nsset()`, and the directories last.
///
/// Returns whether the directories brought another root than `fs` had after the mount namespace was installed.
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
                    // Of the namespaces, only a mount namespace moves root and working directory.
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
