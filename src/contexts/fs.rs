// SPDX-License-Identifier: GPL-2.0

//! CLONE_FS: root, working directory and umask.

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
/// A new mount namespace wants a copy in any case: making it moves root and working directory, and
/// a request that fails afterwards must not find those of the task moved. Mirrors `unshare_fs()`.
pub(crate) fn prepare(current: &Current, request: &Request) -> Result<Option<FsStruct>, Failure> {
    let needed = request.unshare.contains(Context::Mount)
        || request.unshare.contains(Context::Fs) && FsStruct::is_shared(current);
    needed
        .then(|| FsStruct::dup(current))
        .transpose()
        .map_err(Failure::of(Context::Fs))
}
