// SPDX-License-Identifier: GPL-2.0

//! Attaching: what of its context a task takes from another one, which a pidfd names.
//!
//! It comes before the unshare half of a request, which then works on what was attached, as if
//! there had been two calls: the permissions, the order of the checks and their errno are those of
//! `setns(2)` with a pidfd, and for [`Context::Fs`] those of opening `/proc/PID/root`, `chroot(2)`
//! and `fchdir(2)`, with the credentials that were attached.
//!
//! Three things are other than in `setns(2)`:
//!
//! - A shared `fs_struct` is no obstacle: with a mount or a user namespace comes a private one, so
//!   that nobody else's root or working directory ever moves.
//! - Of a shared address space, neither, if the request leaves it: the clocks of a time namespace
//!   are mapped there.
//! - A task changes its namespaces, its credentials and its directories one after the other, and
//!   may sleep in between. Where more than one of these is wanted, what was pinned is taken only if
//!   the task still has it when it has been seen at rest, so that no mix is ever attached.
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
            Target,
            TargetTask, //
        },
        task::Current, //
    },
};

/// Takes what the request asks for into the copies that were prepared.
///
/// Returns a set of namespaces, where some are wanted.
pub(crate) fn prepare(
    current: &Current,
    request: &Request,
    credentials: Option<&mut Cred>,
    fs: Option<&mut FsStruct>,
) -> Result<Option<NsProxy>, Failure> {
    let attach = request.attach;
    if attach.is_empty() {
        return Ok(None);
    }
    let task = TargetTask::of_pidfd(request.pidfd).map_err(Failure::of_arguments)?;
    let mut set = attach
        .contains_any(Contexts::NSPROXY)
        .then(|| NsProxy::dup(current))
        .transpose()
        .map_err(Failure::of(attach.lowest()))?;
    let target = loop {
        let target = task.pin(attach).map_err(refused)?;
        if target.is_whole().map_err(Failure::of_arguments)? {
            break target;
        }
        if current.is_killed() {
            return Err(Failure::of_arguments(EINTR));
        }
    };
    let is_moved = install(current, request, &target, credentials, set.as_mut(), fs)?;
    // As `create_user_ns()` in a chroot, which this will be.
    if is_moved && request.unshare.contains(Context::User) {
        return Err(Failure::of(Context::User)(EPERM));
    }
    Ok(set)
}

/// The task, and so the pidfd, is refused; by `EACCES`, its directories are.
fn refused(errno: Error) -> Failure {
    match errno == EACCES {
        true => Failure::of(Context::Fs)(errno),
        false => Failure::of_arguments(errno),
    }
}

/// Installs in the order of `validate_nsset()`, the directories last.
///
/// Returns whether these have another root than the namespace.
fn install(
    current: &Current,
    request: &Request,
    target: &Target<'_>,
    mut credentials: Option<&mut Cred>,
    set: Option<&mut NsProxy>,
    mut fs: Option<&mut FsStruct>,
) -> Result<bool, Failure> {
    let attach = request.attach;
    if let Some(credentials) = credentials
        .as_deref_mut()
        .filter(|_| attach.contains(Context::User))
    {
        if current.has_threads() {
            return Err(Failure::of(Context::Thread)(EINVAL));
        }
        target
            .install_user(credentials)
            .map_err(Failure::of(Context::User))?;
    }
    // Those of the running task, or those that it gets here.
    let credentials = credentials
        .as_deref()
        .filter(|_| attach.contains(Context::User));
    if let Some(set) = set {
        for kind in ORDER.into_iter().filter(|kind| attach.contains(*kind)) {
            match kind {
                Context::Time => {
                    let leaves_mm = request.unshare.contains(Context::Vm);
                    target.install_time(set, credentials, leaves_mm)
                }
                _ => target.install(kind, set, fs.as_deref_mut(), credentials),
            }
            .map_err(Failure::of(kind))?;
        }
    }
    fs.filter(|_| attach.contains(Context::Fs))
        .map_or(Ok(false), |fs| target.install_fs(fs, credentials))
        .map_err(Failure::of(Context::Fs))
}
