// SPDX-License-Identifier: GPL-2.0

//! CLONE_FILES: the descriptor table, and which descriptors are left out of it.

use core::ops::RangeInclusive;

use crate::{
    contexts::Context,
    failure::Failure,
    request::Request,
    sys::{
        files::{
            FilesStruct,
            OwnFiles,
            UnseenFiles, //
        },
        task::{
            Current,
            TaskLock, //
        },
    },
};

/// What is to happen to the descriptor table.
///
/// What its drop does that anyone can see: nothing, as of [`UnseenFiles`]; only the commit closes
/// the range.
pub(crate) enum Files<T = UnseenFiles> {
    /// Another task uses it too: the task gets this one.
    Replace(T),
    /// Nobody else uses it, so that it stays, as for `close_range(2)`: its file locks belong to
    /// the table and would be lost with it.
    CloseRange(RangeInclusive<u32>),
}

/// What has happened to it: the table is the one that the task had.
pub(crate) type LeftFiles = Files<FilesStruct>;

/// Copies the descriptor table where another task uses it too. Mirrors `unshare_fd()`.
pub(crate) fn prepare(current: &Current, request: &Request) -> Result<Option<Files>, Failure> {
    if !request.unshare.contains(Context::Files) {
        return Ok(None);
    }
    let own = OwnFiles::of(current);
    if !own.is_shared() {
        return Ok(request.close_range.clone().map(Files::CloseRange));
    }
    UnseenFiles::dup(&own, request.close_range.as_ref())
        .map(|table| Some(Files::Replace(table)))
        .map_err(Failure::of(Context::Files))
}

impl Files {
    /// Returns whether the task gets another table.
    pub(crate) fn replaces(&self) -> bool {
        matches!(self, Self::Replace(_))
    }

    /// Gives the new table to the task.
    ///
    /// The old one is to be dropped when the lock is not held any more.
    pub(crate) fn install(self, lock: &mut TaskLock<'_>) -> LeftFiles {
        match self {
            Self::Replace(table) => Files::Replace(table.install(lock)),
            Self::CloseRange(range) => Files::CloseRange(range),
        }
    }
}

impl LeftFiles {
    /// Closes the range in the table that stays.
    pub(crate) fn close_range(&self, current: &Current) {
        if let Self::CloseRange(range) = self {
            OwnFiles::of(current).close_range(range);
        }
    }
}
