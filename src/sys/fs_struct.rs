// SPDX-License-Identifier: GPL-2.0

//! Root, working directory and umask.
//!
//! C header: [`include/linux/fs_struct.h`](srctree/include/linux/fs_struct.h).

use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*, //
};

use super::{
    bindings::{
        unshare_copy_fs_struct,
        unshare_free_fs_struct,
        unshare_fs_install,
        unshare_fs_is_shared,
        unshare_fs_of, //
    },
    task::{
        Current,
        TaskLock, //
    },
};

/// A `struct fs_struct` that no task uses: not yet, or not any longer.
///
/// # Invariants
///
/// Owns the structure with the references to its two paths.
pub(crate) struct FsStruct(NonNull<bindings::fs_struct>);

impl FsStruct {
    /// Returns whether another task uses the `fs_struct` of the running one.
    pub(crate) fn is_shared(current: &Current) -> bool {
        // SAFETY: A task that runs has an `fs_struct` until it exits, and only it replaces it.
        unsafe { unshare_fs_is_shared(current.as_ptr()) }
    }

    /// Copies the `fs_struct` of the running task.
    ///
    /// Mirrors `copy_fs_struct()`. Fails with `ENOMEM`.
    pub(crate) fn dup(current: &Current) -> Result<Self> {
        // SAFETY: As in `is_shared`. This is reached only where the function was found, since
        // without it no context that needs it is offered.
        let fs = unsafe { unshare_copy_fs_struct(unshare_fs_of(current.as_ptr())) };
        // INVARIANT: A new structure has one user, which is this value.
        NonNull::new(fs).map(Self).ok_or(ENOMEM)
    }

    pub(super) fn as_ptr(&mut self) -> *mut bindings::fs_struct {
        self.0.as_ptr()
    }

    /// Gives the structure to the task, and returns its old one if nobody else uses that.
    pub(crate) fn install(self, lock: &mut TaskLock<'_>) -> Option<Self> {
        let new = self.0.as_ptr();
        core::mem::forget(self);
        // SAFETY: The task is locked, and the ownership of `new` moves to it.
        let old = unsafe { unshare_fs_install(lock.as_ptr(), new) };
        // INVARIANT: What comes back has no user left.
        NonNull::new(old).map(Self)
    }
}

impl Drop for FsStruct {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the structure is ours to free.
        unsafe { unshare_free_fs_struct(self.0.as_ptr()) };
    }
}
