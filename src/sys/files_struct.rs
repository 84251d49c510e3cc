// SPDX-License-Identifier: GPL-2.0

//! The table of open file descriptors.
//!
//! C header: [`include/linux/fdtable.h`](srctree/include/linux/fdtable.h).

use core::{
    ops::RangeInclusive,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

use super::{
    bindings::{
        unshare_dup_fd,
        unshare_files_close_range,
        unshare_files_install,
        unshare_files_is_shared,
        unshare_files_leave_out,
        unshare_files_of,
        unshare_put_files_struct, //
    },
    task::{
        Current,
        TaskLock, //
    },
};

/// A reference to a `struct files_struct`.
///
/// # Invariants
///
/// Owns one count of the structure.
pub(crate) struct FilesStruct(NonNull<bindings::files_struct>);

impl FilesStruct {
    /// Returns whether another task uses the descriptor table of the running one.
    pub(crate) fn is_shared(current: &Current) -> bool {
        // SAFETY: A task that runs has a table until it exits, and only it replaces it.
        unsafe { unshare_files_is_shared(current.as_ptr()) }
    }

    /// Copies the descriptor table of the running task, without the descriptors in `hole`.
    ///
    /// Mirrors `dup_fd()`, which does not look at what lies above the last descriptor that is
    /// kept. Fails with `ENOMEM`, and with `EMFILE` where the table is larger than `fs.nr_open`
    /// has allowed since.
    pub(crate) fn dup(current: &Current, hole: Option<&RangeInclusive<u32>>) -> Result<Self> {
        let mut range = hole.map(|hole| bindings::fd_range {
            from: *hole.start(),
            to: *hole.end(),
        });
        let range = range
            .as_mut()
            .map_or(core::ptr::null_mut(), |r| &raw mut *r);
        // SAFETY: As in `is_shared`; `range` is null or outlives the call.
        let files = unsafe { unshare_dup_fd(unshare_files_of(current.as_ptr()), range) };
        let files = NonNull::new(from_err_ptr(files)?).ok_or(ENOMEM)?;
        // INVARIANT: A new table has one count, which is this value's.
        let files = Self(files);
        if let Some(hole) = hole {
            // SAFETY: The table is valid by the type invariant, and no task has had it.
            unsafe { unshare_files_leave_out(files.0.as_ptr(), *hole.start(), *hole.end()) };
        }
        Ok(files)
    }

    /// Gives the table to the task; `self` owns the old one afterwards.
    pub(crate) fn install(&mut self, lock: &mut TaskLock<'_>) {
        // SAFETY: The task is locked, and owns a count of its table as `self` does of the new one:
        // the two change hands.
        let old = unsafe { unshare_files_install(lock.as_ptr(), self.0.as_ptr()) };
        // SAFETY: A task that runs has a table.
        self.0 = unsafe { NonNull::new_unchecked(old) };
    }
}

impl Drop for FilesStruct {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the count is ours to give back.
        unsafe { unshare_put_files_struct(self.0.as_ptr()) };
    }
}

/// Closes descriptors of the running task in its own table.
///
/// Mirrors `close_range(2)`, which cannot fail either once the range is known to be one.
pub(crate) fn close_range(current: &Current, range: &RangeInclusive<u32>) {
    // SAFETY: A task that runs has a table until it exits, and only it replaces it.
    unsafe {
        unshare_files_close_range(
            unshare_files_of(current.as_ptr()),
            *range.start(),
            *range.end(),
        );
    }
}
