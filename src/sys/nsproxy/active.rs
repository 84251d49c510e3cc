// SPDX-License-Identifier: GPL-2.0

//! An nsproxy that a task can use: its namespaces hold active references.

use core::ptr::NonNull;
use kernel::bindings;

use super::changes;
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

/// An nsproxy that a task uses, has used or is about to use, or that a held context owns.
///
/// Its namespaces do not change any more. Dropping it mirrors `put_nsproxy()`.
///
/// # Invariants
///
/// Owns one reference to the nsproxy, whose namespaces hold active references for it.
pub(crate) struct ActiveNsProxy(NonNull<bindings::nsproxy>);

// SAFETY: Any task may put a reference.
unsafe impl Send for ActiveNsProxy {}
// SAFETY: The count is atomic, and the namespaces do not change.
unsafe impl Sync for ActiveNsProxy {}

impl ActiveNsProxy {
    /// Takes over a reference to an nsproxy.
    ///
    /// # Safety
    ///
    /// The caller must own the reference, and the namespaces must hold active references for it.
    pub(in crate::sys) unsafe fn from_raw(set: NonNull<bindings::nsproxy>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(set)
    }

    /// Returns the nsproxy, to be read only. It is valid for as long as `self` exists.
    pub(in crate::sys) fn as_ptr(&self) -> NonNull<bindings::nsproxy> {
        self.0
    }

    /// Returns a reference to the nsproxy of the running task.
    pub(crate) fn of(current: &Current) -> Self {
        // SAFETY: The running task has an nsproxy, and only the task itself replaces it.
        // INVARIANT: This is the reference that is taken here, and the nsproxy of a task is active.
        unsafe {
            let set = unshare_nsproxy_of(current.as_ptr());
            unshare_get_nsproxy(set);
            Self(NonNull::new_unchecked(set))
        }
    }

    /// Returns another reference to the nsproxy. Mirrors `get_nsproxy()`.
    pub(crate) fn share(&self) -> Self {
        // SAFETY: By the type invariant, the nsproxy is valid.
        unsafe { unshare_get_nsproxy(self.0.as_ptr()) };
        // INVARIANT: This is the reference that was just taken, and the nsproxy is active.
        Self(self.0)
    }

    /// Returns the namespaces that differ from those of the running task.
    pub(crate) fn changes(&self, current: &Current) -> Contexts {
        // SAFETY: By the type invariant, the nsproxy is valid.
        unsafe { changes(current, self.0) }
    }

    /// Returns whether `mnt_ns` differs from that of the running task.
    pub(crate) fn changes_mnt_ns(&self, current: &Current) -> bool {
        // SAFETY: `differs` calls this for valid nsproxies.
        self.differs(current, |set| unsafe { (*set).mnt_ns })
    }

    /// Returns whether `ipc_ns` differs from that of the running task.
    pub(crate) fn changes_ipc_ns(&self, current: &Current) -> bool {
        // SAFETY: As above.
        self.differs(current, |set| unsafe { (*set).ipc_ns })
    }

    /// Returns whether `time_ns` differs from that of the running task.
    pub(crate) fn changes_time_ns(&self, current: &Current) -> bool {
        // SAFETY: As above.
        self.differs(current, |set| unsafe { (*set).time_ns })
    }

    /// For speed: [`changes`](Self::changes) compares all.
    fn differs<T>(&self, current: &Current, ns: impl Fn(*mut bindings::nsproxy) -> *mut T) -> bool {
        // SAFETY: The running task has an nsproxy, and only the task itself replaces it.
        let own = unsafe { unshare_nsproxy_of(current.as_ptr()) };
        ns(self.0.as_ptr()) != ns(own)
    }

    /// Returns the inode number that `/proc/PID/ns` shows for a namespace of the nsproxy.
    pub(crate) fn number(&self, kind: Context) -> Option<u32> {
        self.ns_common(kind)
            // SAFETY: The nsproxy holds the namespace.
            .map(|ns| unsafe { unshare_ns_number(ns) })
    }

    /// Returns whether the running task has CAP_SYS_ADMIN in the owner of a namespace; for time, also in that of
    /// the children's namespace.
    pub(crate) fn has_admin(&self, kind: Context) -> bool {
        // SAFETY: The nsproxy holds the namespace, which holds its owner.
        let is_admin = |ns| unsafe { unshare_has_admin_of_ns(ns) };
        let of_children = match kind {
            // SAFETY: By the type invariant, the nsproxy is valid.
            Context::Time => Some(unsafe { unshare_time_ns_for_children_of(self.0.as_ptr()) }),
            _ => None,
        };
        self.ns_common(kind).is_some_and(is_admin) && of_children.is_none_or(is_admin)
    }

    /// Returns the `ns_common` of a namespace: for PID that of children, for time the task's own.
    /// `None` for a context that is not in an nsproxy.
    pub(super) fn ns_common(&self, kind: Context) -> Option<*mut bindings::ns_common> {
        let of = match kind {
            Context::Mount => unshare_mnt_ns_of,
            Context::Uts => unshare_uts_ns_of,
            Context::Ipc => unshare_ipc_ns_of,
            Context::Cgroup => unshare_cgroup_ns_of,
            Context::Net => unshare_net_ns_of,
            Context::Time => unshare_time_ns_of,
            Context::Pid => {
                // SAFETY: By the type invariant, the nsproxy is valid.
                return Some(unsafe { unshare_pid_ns((*self.0.as_ptr()).pid_ns_for_children) });
            }
            _ => return None,
        };
        // SAFETY: By the type invariant, the nsproxy is valid.
        Some(unsafe { of(self.0.as_ptr()) })
    }

    /// Gives the nsproxy to the task; `self` owns the task's old nsproxy afterwards.
    pub(crate) fn install(&mut self, lock: &mut TaskLock<'_>) {
        let task = lock.as_ptr();
        // SAFETY: The task is locked. It owns a reference to the old nsproxy, and `self` one to the
        // new nsproxy. They are exchanged. A running task has an nsproxy.
        unsafe {
            let old = NonNull::new_unchecked(unshare_nsproxy_of(task));
            unshare_set_nsproxy(task, self.0.as_ptr());
            self.0 = old;
        }
    }
}

impl Drop for ActiveNsProxy {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `self` owns the reference. The last put deactivates it.
        unsafe {
            if unshare_nsproxy_dec_and_test(self.0.as_ptr()) {
                unshare_deactivate_nsproxy(self.0.as_ptr());
            }
        }
    }
}

/// Makes the running task use the clocks of its new time namespace. Mirrors `timens_commit()`, which
/// `commit_nsset()` calls. The vDSO maps them when the task reads them.
///
/// The caller must have checked that no other task uses the address space, which has one page of clocks.
pub(crate) fn join_time_ns(current: &Current) {
    // SAFETY: The running task has an nsproxy.
    #[cfg(CONFIG_TIME_NS_VDSO)]
    unsafe {
        let set = unshare_nsproxy_of(current.as_ptr());
        unshare_timens_commit(current.as_ptr(), (*set).time_ns);
    }
    #[cfg(not(CONFIG_TIME_NS_VDSO))]
    let _ = current;
}

/// Reports the running task's namespaces to the perf events that record them. Mirrors
/// `perf_event_namespaces()`. Does nothing if the kernel lacks the function.
pub(crate) fn perf_event_namespaces(current: &Current) {
    // SAFETY: The function reads the running task.
    #[cfg(CONFIG_PERF_EVENTS)]
    unsafe {
        unshare_perf_event_namespaces(current.as_ptr())
    };
    #[cfg(not(CONFIG_PERF_EVENTS))]
    let _ = current;
}
