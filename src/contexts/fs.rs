// SPDX-License-Identifier: GPL-2.0

//! CLONE_FS: root, working directory and umask.
//!
//! Attaching takes the target's root and working directory. The task keeps its umask.

use crate::{
    contexts::Context,
    failure::Failure,
    request::Request,
    sys::{
        fs_struct::FsStruct,
        task::Current, //
    },
};

/// Copies the `fs_struct` if another task uses it, too. Mirrors `unshare_fs()`.
///
/// A held context, a new mount namespace and attached directories always need a copy. The last two move root and
/// working directory while the request is prepared, and a request that fails afterwards must not have moved
/// those of the task.
pub(crate) fn prepare(current: &Current, request: &Request) -> Result<Option<FsStruct>, Failure> {
    let needed = (request.attach | request.unshare).contains(Context::Mount)
        || request.attach.contains(Context::Fs)
        || request.unshare.contains(Context::Fs) && (request.hold || FsStruct::is_shared(current));
    needed
        .then(|| FsStruct::dup(current))
        .transpose()
        .map_err(Failure::of(Context::Fs))
}
