// SPDX-License-Identifier: GPL-2.0

//! The running task, and the lock that guards what it is made of.
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
/// A task may read the pointers to its own context without a lock, because nobody else changes
/// them; to change one it takes its [`TaskLock`], because others read them under that lock.
///
/// # Invariants
///
/// `task` is the task that runs, which outlives the value, since the value cannot leave it.
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

    pub(super) fn as_ptr(&self) -> *mut bindings::task_struct {
        self.task
    }

    /// Returns whether the thread group of the task has other threads.
    ///
    /// Mirrors the negation of `thread_group_empty()`.
    pub(crate) fn has_threads(&self) -> bool {
        // SAFETY: By the type invariant, the task is valid.
        !unsafe { unshare_thread_group_empty(self.task) }
    }

    /// Checks that no other task uses the address space, which has one page of clocks.
    ///
    /// Mirrors `timens_install()`. Fails with `EUSERS`.
    pub(crate) fn check_clocks_are_own(&self) -> Result {
        // SAFETY: The function looks at the running task, which this is.
        match unsafe { unshare_current_is_single_threaded() } {
            true => Ok(()),
            // 7.2 has no constant for it.
            false => Err(Error::from_errno(-(bindings::EUSERS as i32))),
        }
    }

    /// Returns whether the task is about to die. Mirrors `fatal_signal_pending()`.
    pub(crate) fn is_killed(&self) -> bool {
        // SAFETY: By the type invariant, the task is valid.
        unsafe { unshare_is_killed(self.task) }
    }

    /// Returns which of the `wanted` contexts another task uses too at this moment.
    ///
    /// Of the PID and the time namespace it looks at those of the children to come, which are the
    /// ones that can be unshared.
    #[inline]
    pub(crate) fn shared_contexts(&self, wanted: Contexts) -> Contexts {
        // For speed: most requests are about nothing that takes a look at other tasks.
        if wanted.is_empty() {
            return wanted;
        }
        sharers::shared_contexts(self, wanted)
    }

    /// Locks what others may look at: nsproxy, fs and files of the task.
    ///
    /// Mirrors `task_lock()`.
    pub(crate) fn lock(&self) -> TaskLock<'_> {
        TaskLock {
            current: self,
            // SAFETY: By the type invariant, the task stays valid for as long as `self` is borrowed.
            // INVARIANT: The guard is that of `self`.
            _guard: unsafe { lock(self.task) },
        }
    }
}

/// A `task_lock` that is held, of any task.
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

/// Locks nsproxy, fs and files of a task.
///
/// Mirrors `task_lock()`.
///
/// # Safety
///
/// The task must stay valid for as long as the guard is there.
pub(super) unsafe fn lock<'a>(task: *mut bindings::task_struct) -> Guard<'a> {
    // SAFETY: As the caller promises, the task and with it its `alloc_lock` stay valid.
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
    pub(super) fn as_ptr(&mut self) -> *mut bindings::task_struct {
        self.current.as_ptr()
    }
}
