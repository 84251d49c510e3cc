// SPDX-License-Identifier: GPL-2.0

//! A set of namespaces that a task is in, and who is told of it.

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
/// # Invariants
///
/// Owns one count of the structure, whose namespaces hold active references for it.
pub(crate) struct ActiveNsProxy(pub(super) NonNull<bindings::nsproxy>);

impl ActiveNsProxy {
    /// Puts the task into the set; `self` owns the one that it was in afterwards.
    pub(crate) fn install(&mut self, lock: &mut TaskLock<'_>) {
        // SAFETY: The task is locked, and owns a count of its set as `self` does of the new one:
        // the two change hands.
        let old = unsafe { unshare_nsproxy_install(lock.as_ptr(), self.0.as_ptr()) };
        // SAFETY: A task that runs is in its namespaces.
        self.0 = unsafe { NonNull::new_unchecked(old) };
    }
}

impl Drop for ActiveNsProxy {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the count is ours to give back.
        unsafe { unshare_put_nsproxy(self.0.as_ptr()) };
    }
}

/// Has the running task see the clocks of the time namespace that it was put into.
///
/// Mirrors `timens_commit()`.
pub(crate) fn join_time_ns(current: &Current) {
    // SAFETY: The task runs, in an address space that no other task uses.
    unsafe { unshare_join_time_ns(current.as_ptr()) };
}

/// Tells those who watch the running task by perf which namespaces it is in now.
///
/// Mirrors `perf_event_namespaces()`. A kernel without the function has nobody to tell: the call does
/// nothing there, as `unexported.c` says.
pub(crate) fn perf_event_namespaces(current: &Current) {
    // SAFETY: The task runs.
    #[cfg(CONFIG_PERF_EVENTS)]
    unsafe {
        unshare_perf_event_namespaces(current.as_ptr())
    };
    #[cfg(not(CONFIG_PERF_EVENTS))]
    let _ = current;
}
