// SPDX-License-Identifier: GPL-2.0

//! A set of namespaces that a task is in, and the observers that are notified of it.

use core::ptr::NonNull;
use kernel::bindings;

use crate::sys::{
    bindings::*,
    task::{
        Current,
        TaskLock, //
    },
};

/// A set of namespaces that a task is in, was in, or is about to be in.
///
/// Dropping it is what `put_nsproxy()` does. A set that is active is installed: nothing that can fail
/// lies between.
///
/// # Invariants
///
/// Owns one count of the structure, whose namespaces hold active references for it.
pub(crate) struct ActiveNsProxy(NonNull<bindings::nsproxy>);

impl ActiveNsProxy {
    /// Takes over a set of namespaces.
    ///
    /// # Safety
    ///
    /// The caller must own one count of the set, which moves to the value, and the namespaces must
    /// hold active references for the set.
    pub(in crate::sys) unsafe fn from_raw(set: NonNull<bindings::nsproxy>) -> Self {
        // INVARIANT: As the caller promises.
        Self(set)
    }

    /// Puts the task into the set; `self` owns the one that it was in afterwards.
    pub(crate) fn install(&mut self, lock: &mut TaskLock<'_>) {
        let task = lock.as_ptr();
        // SAFETY: The task is locked, and owns a count of its set as `self` does of the new one:
        // the two change hands. A task that runs is in its namespaces.
        unsafe {
            let old = NonNull::new_unchecked(unshare_nsproxy_of(task));
            unshare_set_nsproxy(task, self.0.as_ptr());
            self.0 = old;
        }
    }
}

impl Drop for ActiveNsProxy {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the count is ours to give back, and with the last one the
        // active references go.
        unsafe {
            if unshare_nsproxy_dec_and_test(self.0.as_ptr()) {
                unshare_deactivate_nsproxy(self.0.as_ptr());
            }
        }
    }
}

/// Has the running task see the clocks of the time namespace that it was put into.
///
/// Mirrors `timens_commit()`, which `commit_nsset()` calls: the clocks are mapped when the task looks
/// at them next.
pub(crate) fn join_time_ns(current: &Current) {
    // SAFETY: The task runs and so is in namespaces, and no other task uses its address space.
    #[cfg(CONFIG_TIME_NS_VDSO)]
    unsafe {
        let set = unshare_nsproxy_of(current.as_ptr());
        unshare_timens_commit(current.as_ptr(), (*set).time_ns);
    }
    #[cfg(not(CONFIG_TIME_NS_VDSO))]
    let _ = current;
}

/// Tells those who watch the running task by perf which namespaces it is in now.
///
/// Mirrors `perf_event_namespaces()`. A kernel without the function has nobody to tell: the call does
/// nothing there, as `c/unexported.c` says.
pub(crate) fn perf_event_namespaces(current: &Current) {
    // SAFETY: The task runs.
    #[cfg(CONFIG_PERF_EVENTS)]
    unsafe {
        unshare_perf_event_namespaces(current.as_ptr())
    };
    #[cfg(not(CONFIG_PERF_EVENTS))]
    let _ = current;
}
