// SPDX-License-Identifier: GPL-2.0

//! Another task while its context cannot change, and the `fs_struct` that it uses.
//!
//! The order is the kernel's: `exec_update_lock`, RCU, `task_lock`, then `seq` of the `fs_struct`,
//! as in `exit_fs()` and `chroot_fs_refs()`. Nothing sleeps inside of the last two, so what was
//! pinned there is released only after them.

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

/// A task, which may be any, with its `task_lock` held.
///
/// # Invariants
///
/// `_guard` holds `alloc_lock` of `task`, and `nsproxy` is the task's. As a task gives up its nsproxy
/// under this lock before it gives up its stack, the stack is there.
pub(super) struct OtherTask<'a> {
    pub(super) task: &'a Task,
    nsproxy: NonNull<bindings::nsproxy>,
    pub(super) rcu: &'a rcu::Guard,
    _guard: task::Guard<'a>,
}

impl<'a> OtherTask<'a> {
    /// Locks the task. Fails with `ESRCH` when it has given up its namespaces to exit.
    pub(super) fn lock(task: &'a Task, rcu: &'a rcu::Guard) -> Result<Self> {
        // SAFETY: The task stays valid for as long as it is borrowed.
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

    pub(super) fn nsproxy(&self) -> NonNull<bindings::nsproxy> {
        self.nsproxy
    }

    /// Locks the task's `fs_struct`. Fails with `ESRCH` when the task has given that up.
    pub(super) fn lock_fs(&self) -> Result<OtherFs<'_>> {
        // SAFETY: By the type invariant, the task is locked, and so the pointer stays.
        let fs = NonNull::new(unsafe { unshare_fs_of(self.task.as_ptr()) }).ok_or(ESRCH)?;
        // SAFETY: The task uses the structure while it is locked.
        unsafe { unshare_lock_fs(fs.as_ptr()) };
        // INVARIANT: The lock was taken just now.
        Ok(OtherFs { fs, holder: self })
    }
}

/// The `fs_struct` of a locked task, itself locked: its paths, its users, and the pointers to it stay.
///
/// # Invariants
///
/// `fs` is that of `holder`, and its `seq` is locked.
pub(super) struct OtherFs<'a> {
    fs: NonNull<bindings::fs_struct>,
    pub(super) holder: &'a OtherTask<'a>,
}

impl OtherFs<'_> {
    pub(super) fn is_of(&self, fs: *const bindings::fs_struct) -> bool {
        fs == self.fs.as_ptr().cast_const()
    }

    /// How many tasks use it.
    pub(super) fn users(&self) -> i32 {
        // SAFETY: By the type invariant, the structure is valid and locked.
        unsafe { unshare_locked_fs_users(self.fs.as_ptr()) }
    }

    /// Whether PID 1 has left it and is about to move its working directory after its root.
    pub(super) fn is_half_left(&self) -> bool {
        // SAFETY: As in `users`.
        unsafe { unshare_fs_half_left(self.fs.as_ptr()) }
    }

    pub(super) fn root(&self) -> &bindings::path {
        // SAFETY: By the type invariant, the path is valid and stays while the lock is held.
        unsafe { &*unshare_fs_root(self.fs.as_ptr()) }
    }

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
