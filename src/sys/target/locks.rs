// SPDX-License-Identifier: GPL-2.0

//! Locks another task and its `fs_struct`, so that nsproxy, fs and paths do not change.
//!
//! The lock order is the kernel's: `exec_update_lock`, RCU, `task_lock`, then `seq` of the
//! `fs_struct`, as in `exit_fs()` and `chroot_fs_refs()`. Code under the last two must not sleep,
//! so references that were taken there are put only after unlocking.

use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*,
    sync::rcu,
    task::Task, //
};

use crate::sys::{
    bindings::{
        unshare_fs_half_left,
        unshare_fs_of,
        unshare_fs_pwd,
        unshare_fs_root,
        unshare_lock_fs,
        unshare_locked_fs_users,
        unshare_nsproxy_of,
        unshare_unlock_fs, //
    },
    task, //
};

/// Any task, with its `task_lock` held.
///
/// # Invariants
///
/// `_guard` holds `alloc_lock` of `task`, and `nsproxy` is the task's. The task has its stack,
/// because an exiting task gives up its nsproxy under this lock before it gives up its stack.
pub(super) struct OtherTask<'a> {
    pub(super) task: &'a Task,
    nsproxy: NonNull<bindings::nsproxy>,
    pub(super) rcu: &'a rcu::Guard,
    _guard: task::Guard<'a>,
}

impl<'a> OtherTask<'a> {
    /// Locks the task. Fails with `ESRCH` if it is exiting and has given up its nsproxy.
    pub(super) fn lock(task: &'a Task, rcu: &'a rcu::Guard) -> Result<Self> {
        // SAFETY: The task is borrowed.
        let guard = unsafe { task::lock(task.as_ptr()) };
        // SAFETY: The task is locked.
        let nsproxy = NonNull::new(unsafe { unshare_nsproxy_of(task.as_ptr()) }).ok_or(ESRCH)?;
        // INVARIANT: This is the lock and the nsproxy of `task`.
        Ok(Self {
            task,
            nsproxy,
            rcu,
            _guard: guard,
        })
    }

    /// Returns the task's nsproxy, which is valid while the task is locked.
    pub(super) fn nsproxy(&self) -> NonNull<bindings::nsproxy> {
        self.nsproxy
    }

    /// Locks the task's `fs_struct`. Fails with `ESRCH` if the task is exiting and has none.
    pub(super) fn lock_fs(&self) -> Result<OtherFs<'_>> {
        // SAFETY: By the type invariant, the task is locked, so the pointer is stable.
        let fs = NonNull::new(unsafe { unshare_fs_of(self.task.as_ptr()) }).ok_or(ESRCH)?;
        // SAFETY: The locked task uses the structure.
        unsafe { unshare_lock_fs(fs.as_ptr()) };
        // INVARIANT: The lock was taken just now.
        Ok(OtherFs { fs, holder: self })
    }
}

/// The locked `fs_struct` of a locked task. Paths, users and tasks' pointers to it are stable.
///
/// # Invariants
///
/// `fs` is that of `holder`, and its `seq` is locked.
pub(super) struct OtherFs<'a> {
    fs: NonNull<bindings::fs_struct>,
    pub(super) holder: &'a OtherTask<'a>,
}

impl OtherFs<'_> {
    /// Returns whether this is `fs`.
    pub(super) fn is_of(&self, fs: *const bindings::fs_struct) -> bool {
        fs == self.fs.as_ptr().cast_const()
    }

    /// Returns how many tasks use it.
    pub(super) fn users(&self) -> i32 {
        // SAFETY: By the type invariant, the structure is valid and locked.
        unsafe { unshare_locked_fs_users(self.fs.as_ptr()) }
    }

    /// Returns whether PID 1 has left it, and has moved its root but not yet its working directory.
    pub(super) fn is_half_left(&self) -> bool {
        // SAFETY: As in `users`.
        unsafe { unshare_fs_half_left(self.fs.as_ptr()) }
    }

    /// Returns the root, which is stable while the lock is held.
    pub(super) fn root(&self) -> &bindings::path {
        // SAFETY: By the type invariant, the structure is valid and locked.
        unsafe { &*unshare_fs_root(self.fs.as_ptr()) }
    }

    /// Returns the working directory, which is stable while the lock is held.
    pub(super) fn pwd(&self) -> &bindings::path {
        // SAFETY: As in `root`.
        unsafe { &*unshare_fs_pwd(self.fs.as_ptr()) }
    }
}

impl Drop for OtherFs<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the lock is held.
        unsafe { unshare_unlock_fs(self.fs.as_ptr()) };
    }
}
