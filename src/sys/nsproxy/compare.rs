// SPDX-License-Identifier: GPL-2.0

//! Which namespaces two nsproxies have in common.

use core::ptr::{
    self,
    NonNull, //
};
use kernel::bindings::nsproxy;

use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    sys::{
        bindings::unshare_nsproxy_of,
        task::Current, //
    },
};

/// Returns the namespaces of `new` that differ from those of the running task.
///
/// # Safety
///
/// `new` must stay valid meanwhile.
pub(super) unsafe fn changes(current: &Current, new: NonNull<nsproxy>) -> Contexts {
    // SAFETY: Only the running task replaces its nsproxy. `new` is valid by the safety
    // requirements.
    unsafe {
        let old = NonNull::new_unchecked(unshare_nsproxy_of(current.as_ptr()));
        let mut changes = Contexts::NSPROXY.without(common(old, new));
        if !ptr::eq((*old.as_ptr()).time_ns, (*new.as_ptr()).time_ns) {
            changes |= Context::Time;
        }
        changes
    }
}

/// Returns the namespaces that two nsproxies have in common. Ignores `time_ns`.
///
/// Takes raw pointers: other tasks change `count` at any time, and a reference would promise that
/// nobody does. The namespaces of an nsproxy in use do not change.
///
/// # Safety
///
/// Both nsproxies must stay valid meanwhile.
pub(in crate::sys) unsafe fn common(a: NonNull<nsproxy>, b: NonNull<nsproxy>) -> Contexts {
    let (a, b) = (a.as_ptr(), b.as_ptr());
    let mut common = Contexts::empty();
    // SAFETY: By the safety requirements.
    let kinds = unsafe {
        [
            (Context::Mount, ptr::eq((*a).mnt_ns, (*b).mnt_ns)),
            (Context::Uts, ptr::eq((*a).uts_ns, (*b).uts_ns)),
            (Context::Ipc, ptr::eq((*a).ipc_ns, (*b).ipc_ns)),
            (
                Context::Pid,
                ptr::eq((*a).pid_ns_for_children, (*b).pid_ns_for_children),
            ),
            (Context::Net, ptr::eq((*a).net_ns, (*b).net_ns)),
            (Context::Cgroup, ptr::eq((*a).cgroup_ns, (*b).cgroup_ns)),
            (
                Context::Time,
                ptr::eq((*a).time_ns_for_children, (*b).time_ns_for_children),
            ),
        ]
    };
    for (context, is_common) in kinds {
        if is_common {
            common |= context;
        }
    }
    common
}
