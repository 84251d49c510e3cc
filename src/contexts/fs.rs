// SPDX-License-Identifier: GPL-2.0

//! CLONE_FS: root, working directory and umask.
//!
//! Attached, it is root and working directory: the umask stays the task's own.

use crate::{
    contexts::Context,
    failure::Failure,
    request::Request,
    sys::{
        fs_struct::FsStruct,
        task::Current, //
    },
};

/// Copies the `fs_struct` where another task uses it too.
///
/// A descriptor holds a copy in any case. Another mount namespace wants a copy in any case: preparing it moves root and working directory,
/// and a request that fails afterwards must not find those of the task moved. Mirrors
/// `unshare_fs()`.
pub(crate) fn prepare(current: &Current, request: &Request) -> Result<Option<FsStruct>, Failure> {
    let needed = (request.attach | request.unshare).contains(Context::Mount)
        || request.attach.contains(Context::Fs)
        || request.unshare.contains(Context::Fs) && (request.hold || FsStruct::is_shared(current));
    needed
        .then(|| FsStruct::dup(current))
        .transpose()
        .map_err(Failure::of(Context::Fs))
}
