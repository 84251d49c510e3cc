// SPDX-License-Identifier: GPL-2.0

//! CLONE_FILES: the descriptor table, and the range of descriptors that it leaves out.

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

/// What the commit does with the descriptor table.
///
/// Other tasks cannot see the drop of this value: see [`UnseenFiles`]. Only the commit closes the range.
pub(crate) enum Files<T = UnseenFiles> {
    /// Another task uses the table, so the caller gets this copy.
    Replace(T),
    /// No other task uses the table, so it stays, as for `close_range(2)`. File locks belong to the table: a
    /// copy would lose them.
    CloseRange(RangeInclusive<u32>),
}

/// What the commit did with the table. `Replace` has the table that the task had.
pub(crate) type LeftFiles = Files<FilesStruct>;

/// Copies the descriptor table if another task uses it, too. Mirrors `unshare_fd()`.
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
    /// The caller must drop the returned value after the lock.
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
