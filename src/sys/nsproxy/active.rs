// SPDX-License-Identifier: GPL-2.0

//! A set of namespaces that a task is in, and the observers that are notified of it.

use core::ptr::NonNull;
use kernel::bindings;

use super::{
    changes,
    changes_clocks, //
};
use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    sys::{
        bindings::*,
        task::{
            Current,
            TaskLock, //
        },
    },
};

/// A set of namespaces that a task is in, was in, or is about to be in, or that a descriptor holds.
///
/// Dropping it is what `put_nsproxy()` does. Its namespaces do not change any more.
///
/// # Invariants
///
/// Owns one count of the structure, whose namespaces hold active references for it.
pub(crate) struct ActiveNsProxy(NonNull<bindings::nsproxy>);

// SAFETY: Any task may give back a count.
unsafe impl Send for ActiveNsProxy {}
// SAFETY: The count is atomic, and the set does not change.
unsafe impl Sync for ActiveNsProxy {}

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

    pub(in crate::sys) fn as_ptr(&self) -> NonNull<bindings::nsproxy> {
        self.0
    }

    /// Returns a count of the set that the running task is in.
    pub(crate) fn of(current: &Current) -> Self {
        // SAFETY: A task that runs is in namespaces, and only the task itself takes another set.
        // INVARIANT: That is the count, and the set of a task is active.
        unsafe {
            let set = unshare_nsproxy_of(current.as_ptr());
            unshare_get_nsproxy(set);
            Self(NonNull::new_unchecked(set))
        }
    }

    /// Returns another count of the set. Mirrors `get_nsproxy()`.
    pub(crate) fn share(&self) -> Self {
        // SAFETY: By the type invariant, the set is valid.
        unsafe { unshare_get_nsproxy(self.0.as_ptr()) };
        // INVARIANT: That was the count, and the set is active.
        Self(self.0)
    }

    /// Returns the namespaces of the set that are other ones than those of the running task.
    pub(crate) fn changes(&self, current: &Current) -> Contexts {
        // SAFETY: By the type invariant, the set is valid.
        unsafe { changes(current, self.0) }
    }

    /// Returns whether the set has another time namespace than the running task, that of children aside.
    pub(crate) fn changes_clocks(&self, current: &Current) -> bool {
        // SAFETY: By the type invariant, the set is valid.
        unsafe { changes_clocks(current, self.0) }
    }

    /// Returns the number that `/proc/PID/ns` shows for a namespace of the set.
    pub(crate) fn number(&self, kind: Context) -> Option<u32> {
        self.ns_common(kind)
            // SAFETY: The set holds the namespace.
            .map(|ns| unsafe { unshare_ns_number(ns) })
    }

    /// Returns whether the running task is an administrator where a namespace of the set belongs.
    pub(crate) fn has_admin(&self, kind: Context) -> bool {
        self.ns_common(kind)
            // SAFETY: The set holds the namespace, which holds its owner.
            .is_some_and(|ns| unsafe { unshare_has_admin_of_ns(ns) })
    }

    pub(super) fn ns_common(&self, kind: Context) -> Option<*mut bindings::ns_common> {
        let of = match kind {
            Context::Mount => unshare_mnt_ns_of,
            Context::Uts => unshare_uts_ns_of,
            Context::Ipc => unshare_ipc_ns_of,
            Context::Cgroup => unshare_cgroup_ns_of,
            Context::Net => unshare_net_ns_of,
            Context::Time => unshare_time_ns_of,
            Context::Pid => {
                // SAFETY: By the type invariant, the set is valid.
                return Some(unsafe { unshare_pid_ns((*self.0.as_ptr()).pid_ns_for_children) });
            }
            _ => return None,
        };
        // SAFETY: By the type invariant, the set is valid.
        Some(unsafe { of(self.0.as_ptr()) })
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
/// at them next. The caller has seen that no other task uses the address space, since there is one page
/// of clocks for all that do.
pub(crate) fn join_time_ns(current: &Current) {
    // SAFETY: The task runs, and so is in namespaces.
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
