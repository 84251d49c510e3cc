// SPDX-License-Identifier: GPL-2.0

//! CLONE_FILES: the descriptor table, and which descriptors are left out of it.

use core::ops::RangeInclusive;

use crate::{
    contexts::Context,
    failure::Failure,
    request::Request,
    sys::{
        files_struct::{
            self,
            FilesStruct, //
        },
        task::{
            Current,
            TaskLock, //
        },
    },
};

/// What is to happen to the descriptor table.
pub(crate) enum Files {
    /// Another task uses it too: the task gets this one.
    Replace(FilesStruct),
    /// Nobody else uses it, so that it stays, as for `close_range(2)`: its file locks belong to
    /// the table and would be lost with it.
    CloseRange(RangeInclusive<u32>),
}

/// Copies the descriptor table where another task uses it too. Mirrors `unshare_fd()`.
pub(crate) fn prepare(current: &Current, request: &Request) -> Result<Option<Files>, Failure> {
    if !request.unshare.contains(Context::Files) {
        return Ok(None);
    }
    if !FilesStruct::is_shared(current) {
        return Ok(request.close_range.clone().map(Files::CloseRange));
    }
    FilesStruct::dup(current, request.close_range.as_ref())
        .map(|table| Some(Files::Replace(table)))
        .map_err(Failure::of(Context::Files))
}

impl Files {
    /// Returns whether the task gets another table.
    pub(crate) fn replaces(&self) -> bool {
        matches!(self, Self::Replace(_))
    }

    /// Gives the new table to the task; `self` owns the old one afterwards.
    pub(crate) fn install(&mut self, lock: &mut TaskLock<'_>) {
        if let Self::Replace(table) = self {
            table.install(lock);
        }
    }

    /// Closes the range in the table that stays.
    pub(crate) fn close_range(&self, current: &Current) {
        if let Self::CloseRange(range) = self {
            files_struct::close_range(current, range);
        }
    }
}
