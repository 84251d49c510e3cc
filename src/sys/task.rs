// SPDX-License-Identifier: GPL-2.0

//! The running task, and `task_lock`, which guards its nsproxy, fs and files.
//!
//! C header: [`include/linux/sched/task.h`](srctree/include/linux/sched/task.h).

use core::marker::PhantomData;
use kernel::{
    bindings,
    prelude::*,
    task::Task,
    types::NotThreadSafe, //
};

use super::{
    bindings::{
        unshare_current_is_single_threaded,
        unshare_is_killed,
        unshare_task_lock,
        unshare_task_unlock,
        unshare_thread_group_empty, //
    },
    sharers, //
};
use crate::contexts::Contexts;

/// The running task.
///
/// A task may read the pointers to its own context without a lock, because no other task changes
/// them. To change one, it must hold its [`TaskLock`], under which other tasks read them.
///
/// # Invariants
///
/// `task` is the running task. It outlives the value, which cannot move to another task.
pub(crate) struct Current {
    task: *mut bindings::task_struct,
    _not_send: NotThreadSafe,
}

impl Current {
    /// Returns the running task.
    pub(crate) fn get() -> Self {
        // INVARIANT: `NotThreadSafe` keeps the value on the task that made it.
        Self {
            task: Task::current_raw(),
            _not_send: NotThreadSafe,
        }
    }

    /// Returns the task, which is valid for as long as `self` exists.
    pub(super) fn as_ptr(&self) -> *mut bindings::task_struct {
        self.task
    }

    /// Returns whether the thread group has other threads. Mirrors `!thread_group_empty()`.
    pub(crate) fn has_threads(&self) -> bool {
        // SAFETY: By the type invariant, the task is valid.
        !unsafe { unshare_thread_group_empty(self.task) }
    }

    /// Checks that no other task uses the address space, which has one page of clocks. Mirrors
    /// `timens_install()`. Fails with `EUSERS`.
    pub(crate) fn check_clocks_are_own(&self) -> Result {
        // SAFETY: The function reads the running task, which is this one.
        match unsafe { unshare_current_is_single_threaded() } {
            true => Ok(()),
            // The `kernel` crate of 7.2 has no constant for EUSERS.
            false => Err(Error::from_errno(-(bindings::EUSERS as i32))),
        }
    }

    /// Returns whether a fatal signal is pending. Mirrors `fatal_signal_pending()`.
    pub(crate) fn is_killed(&self) -> bool {
        // SAFETY: By the type invariant, the task is valid.
        unsafe { unshare_is_killed(self.task) }
    }

    /// Returns which of the `wanted` contexts another task shares at this moment.
    ///
    /// Compares the PID and time namespaces of children (`pid_ns_for_children`,
    /// `time_ns_for_children`), because those are the ones that can be unshared.
    #[inline]
    pub(crate) fn shared_contexts(&self, wanted: Contexts) -> Contexts {
        // For speed: most requests need not look at other tasks.
        if wanted.is_empty() {
            return wanted;
        }
        sharers::shared_contexts(self, wanted)
    }

    /// Locks the task's nsproxy, fs and files. Mirrors `task_lock()`.
    pub(crate) fn lock(&self) -> TaskLock<'_> {
        TaskLock {
            current: self,
            // SAFETY: By the type invariant, the task is valid for as long as `self` is borrowed.
            // INVARIANT: The guard locks the task of `self`.
            _guard: unsafe { lock(self.task) },
        }
    }
}

/// A held `task_lock` of any task.
///
/// For speed: the `kernel` crate's guard makes five calls to lock and unlock, this one makes two.
///
/// # Invariants
///
/// The running task holds `alloc_lock` of `task`, which is valid for `'a`.
pub(super) struct Guard<'a> {
    task: *mut bindings::task_struct,
    _task: PhantomData<&'a ()>,
    _not_send: NotThreadSafe,
}

/// Locks nsproxy, fs and files of a task. Mirrors `task_lock()`.
///
/// # Safety
///
/// The task must be valid for as long as the guard exists.
pub(super) unsafe fn lock<'a>(task: *mut bindings::task_struct) -> Guard<'a> {
    // SAFETY: By the safety requirements, the task is valid.
    unsafe { unshare_task_lock(task) };
    // INVARIANT: The lock was taken just now.
    Guard {
        task,
        _task: PhantomData,
        _not_send: NotThreadSafe,
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the lock is held.
        unsafe { unshare_task_unlock(self.task) };
    }
}

/// The running task with its `task_lock` held, so that its context may be replaced.
///
/// # Invariants
///
/// `_guard` holds `alloc_lock` of `current`.
pub(crate) struct TaskLock<'a> {
    current: &'a Current,
    _guard: Guard<'a>,
}

impl TaskLock<'_> {
    /// Returns the task, whose nsproxy, fs and files may be replaced while `self` is borrowed.
    pub(super) fn as_ptr(&mut self) -> *mut bindings::task_struct {
        self.current.as_ptr()
    }
}
