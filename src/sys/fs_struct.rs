// SPDX-License-Identifier: GPL-2.0

//! `fs_struct`: root, working directory and umask.
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
        unshare_is_on_failfs,
        unshare_left_fs, //
    },
    task::{
        Current,
        TaskLock, //
    },
};

/// An `fs_struct` that no task uses yet.
///
/// Dropping it changes nothing that a task can see: it puts two paths. If a file system was
/// unmounted lazily, a last put finishes the unmount, as any task's would.
///
/// # Invariants
///
/// Owns the structure, which has no other user.
pub(crate) struct FsStruct(NonNull<bindings::fs_struct>);

// SAFETY: Any task may copy or free an `fs_struct` that no task uses.
unsafe impl Send for FsStruct {}
// SAFETY: A shared reference allows only copying, which takes the lock of the `fs_struct`.
unsafe impl Sync for FsStruct {}

impl FsStruct {
    /// Returns whether another task uses the `fs_struct` of the running task.
    ///
    /// Reads the count without a lock, as `unshare_fs()` does: at worst, the copy is needless.
    pub(crate) fn is_shared(current: &Current) -> bool {
        // SAFETY: A running task has an `fs_struct`, and only the task itself replaces it.
        unsafe { unshare_fs_users(current.as_ptr()) > 1 }
    }

    /// Copies the `fs_struct` of the running task. Mirrors `copy_fs_struct()`. Fails with `ENOMEM`.
    pub(crate) fn dup(current: &Current) -> Result<Self> {
        // SAFETY: As in `is_shared`. `CLONE_FS` is offered only if the function was found.
        let fs = unsafe { unshare_copy_fs_struct(unshare_fs_of(current.as_ptr())) };
        // INVARIANT: A new `fs_struct` has one user, which is this value.
        NonNull::new(fs).map(Self).ok_or(ENOMEM)
    }

    /// Copies root and working directory, and takes the umask from the running task. Mirrors
    /// `copy_fs_struct()`. Fails with `ENOMEM`.
    pub(crate) fn copy_for(&self, current: &Current) -> Result<Self> {
        // SAFETY: By the type invariant, the structure is valid.
        let fs = unsafe { unshare_copy_fs_struct(self.0.as_ptr()) };
        // INVARIANT: As in `dup`.
        let copy = NonNull::new(fs).map(Self).ok_or(ENOMEM)?;
        // SAFETY: No task uses the copy, and the running task has an `fs_struct`.
        unsafe { unshare_copy_umask(copy.0.as_ptr(), current.as_ptr()) };
        Ok(copy)
    }

    /// Returns the structure, which may be changed without its lock.
    /// Returns whether the root directory is failfs. fchroot(2) moves a task there by its no_new_privs flag, which
    /// its credentials do not have.
    pub(crate) fn is_on_failfs(&self) -> bool {
        // SAFETY: By the type invariant, the structure is valid, and its paths hold references.
        unsafe { unshare_is_on_failfs(self.0.as_ptr()) }
    }

    pub(super) fn as_ptr(&mut self) -> *mut bindings::fs_struct {
        self.0.as_ptr()
    }

    /// Returns the structure, to be read only.
    pub(super) fn as_const_ptr(&self) -> *const bindings::fs_struct {
        self.0.as_ptr()
    }

    /// Gives the `fs_struct` to the task, and returns the old one. The task still counts as a user
    /// of the old one, so that it can go back to it.
    pub(crate) fn park(self, lock: &mut TaskLock<'_>) -> ParkedFs {
        let new = ManuallyDrop::new(self).0.as_ptr();
        // SAFETY: The task is locked, and takes over `new`. A running task has an `fs_struct`.
        // INVARIANT: The old `fs_struct` still counts the task as a user.
        unsafe { ParkedFs(NonNull::new_unchecked(unshare_fs_park(lock.as_ptr(), new))) }
    }

    /// Gives the `fs_struct` to the task, and returns the old one, as `ksys_unshare()` does.
    ///
    /// The caller must release the lock before it drops the returned value, whose drop may sleep.
    pub(crate) fn install(self, lock: &mut TaskLock<'_>) -> LeftFsStruct {
        let new = ManuallyDrop::new(self).0.as_ptr();
        let mut is_last = false;
        // SAFETY: The task is locked, and takes over `new`.
        let old = unsafe { unshare_fs_install(lock.as_ptr(), new, &mut is_last) };
        // INVARIANT: The task has just left `old`. If `is_last`, no user is left.
        LeftFsStruct { old, is_last }
    }
}

impl Drop for FsStruct {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `self` owns the structure.
        unsafe { unshare_free_fs_struct(self.0.as_ptr()) };
    }
}

/// An `fs_struct` that the running task has left.
///
/// # Invariants
///
/// If `is_last`, `old` has no user and belongs to this value. If not, `old` may have been freed.
pub(crate) struct LeftFsStruct {
    old: *mut bindings::fs_struct,
    is_last: bool,
}

impl Drop for LeftFsStruct {
    fn drop(&mut self) {
        // SAFETY: `unshare_left_fs` only compares the pointer, and no lock is held (see `install`).
        // By the type invariant, `self` owns the structure if `is_last`.
        unsafe {
            unshare_left_fs(self.old);
            if self.is_last {
                unshare_free_fs_struct(self.old);
            }
        }
    }
}

/// An `fs_struct` to which a task will go back. Other tasks may use it and move its paths
/// meanwhile.
///
/// # Invariants
///
/// Owns one count of `users`, so the structure is valid.
pub(crate) struct ParkedFs(NonNull<bindings::fs_struct>);

// SAFETY: Any task may drop a count of `users`.
unsafe impl Send for ParkedFs {}

impl ParkedFs {
    /// Returns the structure, which other tasks may use: its lock guards the paths.
    pub(super) fn as_ptr(&self) -> *mut bindings::fs_struct {
        self.0.as_ptr()
    }

    /// Gives the `fs_struct` back to the task, and returns the one that the task has now.
    ///
    /// The caller must release the lock before it drops the returned value, whose drop may sleep.
    pub(crate) fn restore(self, lock: &mut TaskLock<'_>) -> LeftFsStruct {
        let back = ManuallyDrop::new(self).0.as_ptr();
        let mut is_last = false;
        // SAFETY: The task is locked, and takes over the count of `back`.
        let old = unsafe { unshare_fs_restore(lock.as_ptr(), back, &mut is_last) };
        // INVARIANT: As in `FsStruct::install`.
        LeftFsStruct { old, is_last }
    }
}

impl Drop for ParkedFs {
    fn drop(&mut self) {
        let old = self.0.as_ptr();
        // SAFETY: By the type invariant, `self` owns the count.
        let is_last = unsafe { unshare_fs_abandon(old) };
        // INVARIANT: If `is_last`, no user is left.
        drop(LeftFsStruct { old, is_last });
    }
}
