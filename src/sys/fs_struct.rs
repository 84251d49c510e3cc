// SPDX-License-Identifier: GPL-2.0

//! Root, working directory and umask.
//!
//! C header: [`include/linux/fs_struct.h`](srctree/include/linux/fs_struct.h).

use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    prelude::*, //
};

use super::{
    bindings::{
        unshare_copy_fs_struct,
        unshare_copy_umask,
        unshare_free_fs_struct,
        unshare_fs_abandon,
        unshare_fs_install,
        unshare_fs_of,
        unshare_fs_park,
        unshare_fs_restore,
        unshare_fs_users,
        unshare_left_fs, //
    },
    task::{
        Current,
        TaskLock, //
    },
};

/// A `struct fs_struct` that no task uses yet.
///
/// What its drop does that anyone can see: nothing. It puts two paths, of which the last put of an
/// unmounted file system finishes the unmount, as at any task that had looked at it.
///
/// # Invariants
///
/// Owns the structure with the references to its two paths.
pub(crate) struct FsStruct(NonNull<bindings::fs_struct>);

// SAFETY: Any task may copy and free a structure that no task uses.
unsafe impl Send for FsStruct {}
// SAFETY: With a shared reference it can only be copied, which takes its lock.
unsafe impl Sync for FsStruct {}

impl FsStruct {
    /// Returns whether another task uses the `fs_struct` of the running one.
    ///
    /// Reads the count without its lock, as `unshare_fs()` does: at worst there is a copy that was
    /// not needed.
    pub(crate) fn is_shared(current: &Current) -> bool {
        // SAFETY: A task that runs has an `fs_struct` until it exits, and only it replaces it.
        unsafe { unshare_fs_users(current.as_ptr()) > 1 }
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

    /// Copies it for the running task, which keeps its umask.
    ///
    /// Mirrors `copy_fs_struct()`. Fails with `ENOMEM`.
    pub(crate) fn copy_for(&self, current: &Current) -> Result<Self> {
        // SAFETY: By the type invariant, the structure is valid.
        let fs = unsafe { unshare_copy_fs_struct(self.0.as_ptr()) };
        // INVARIANT: A new structure has one user, which is this value.
        let copy = NonNull::new(fs).map(Self).ok_or(ENOMEM)?;
        // SAFETY: The copy is nobody else's, and the running task has an `fs_struct`.
        unsafe { unshare_copy_umask(copy.0.as_ptr(), current.as_ptr()) };
        Ok(copy)
    }

    pub(super) fn as_ptr(&mut self) -> *mut bindings::fs_struct {
        self.0.as_ptr()
    }

    /// The structure, which must not be written to.
    pub(super) fn as_const_ptr(&self) -> *const bindings::fs_struct {
        self.0.as_ptr()
    }

    /// Gives the structure to the task. The task stays a user of the one that it had, which comes back.
    pub(crate) fn park(self, lock: &mut TaskLock<'_>) -> ParkedFs {
        let new = ManuallyDrop::new(self).0.as_ptr();
        // SAFETY: The task is locked, and the ownership of `new` moves to it. A task that runs has an
        // `fs_struct`.
        // INVARIANT: The task's part in the old one moves to the value.
        unsafe { ParkedFs(NonNull::new_unchecked(unshare_fs_park(lock.as_ptr(), new))) }
    }

    /// Gives the structure to the task.
    ///
    /// What comes back is to be dropped when the lock is not held any more.
    pub(crate) fn install(self, lock: &mut TaskLock<'_>) -> LeftFsStruct {
        let new = ManuallyDrop::new(self).0.as_ptr();
        let mut is_last = false;
        // SAFETY: The task is locked, and the ownership of `new` moves to it.
        let old = unsafe { unshare_fs_install(lock.as_ptr(), new, &mut is_last) };
        // INVARIANT: The task had it until now, and `is_last` says that nobody else has.
        LeftFsStruct { old, is_last }
    }
}

impl Drop for FsStruct {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the structure is ours to free.
        unsafe { unshare_free_fs_struct(self.0.as_ptr()) };
    }
}

/// The `struct fs_struct` that the running task had.
///
/// # Invariants
///
/// Where `is_last`, nobody uses `old` any more; else it may be gone.
pub(crate) struct LeftFsStruct {
    old: *mut bindings::fs_struct,
    is_last: bool,
}

impl Drop for LeftFsStruct {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the structure is ours to free where `is_last`; else it is
        // not followed. The lock of the task is not held any more, as `install` asks for.
        unsafe {
            unshare_left_fs(self.old);
            if self.is_last {
                unshare_free_fs_struct(self.old);
            }
        }
    }
}

/// The `struct fs_struct` that a task had and is to have again. Other tasks may use it meanwhile, and change
/// its directories.
///
/// # Invariants
///
/// Is one of the users that the structure counts.
pub(crate) struct ParkedFs(NonNull<bindings::fs_struct>);

// SAFETY: Any task may give up a user of the structure.
unsafe impl Send for ParkedFs {}

impl ParkedFs {
    pub(super) fn as_ptr(&self) -> *mut bindings::fs_struct {
        self.0.as_ptr()
    }

    /// Gives the structure back to the task.
    ///
    /// What comes back is to be dropped when the lock is not held any more.
    pub(crate) fn restore(self, lock: &mut TaskLock<'_>) -> LeftFsStruct {
        let back = ManuallyDrop::new(self).0.as_ptr();
        let mut is_last = false;
        // SAFETY: The task is locked, and our part in `back` moves to it.
        let old = unsafe { unshare_fs_restore(lock.as_ptr(), back, &mut is_last) };
        // INVARIANT: The task had it until now, and `is_last` says that nobody else has.
        LeftFsStruct { old, is_last }
    }
}

impl Drop for ParkedFs {
    fn drop(&mut self) {
        let old = self.0.as_ptr();
        // SAFETY: By the type invariant, the part is ours to give back.
        let is_last = unsafe { unshare_fs_abandon(old) };
        // INVARIANT: `is_last` says that nobody uses it any more.
        drop(LeftFsStruct { old, is_last });
    }
}
