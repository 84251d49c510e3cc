// SPDX-License-Identifier: GPL-2.0

//! Which namespaces two sets have in common.

use core::ptr;
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

/// Returns the namespaces of a set that are other ones than those of the running task.
pub(super) fn changes(current: &Current, new: &nsproxy) -> Contexts {
    // SAFETY: The task runs and so is in namespaces, of which only itself takes another set. A set that a
    // task is in does not change.
    let old = unsafe { &*unshare_nsproxy_of(current.as_ptr()) };
    let mut changes = Contexts::NSPROXY.without(common(old, new));
    if !ptr::eq(old.time_ns, new.time_ns) {
        changes |= Context::Time;
    }
    changes
}

/// Returns the namespaces that are the same in two sets; of the time namespaces, those of children.
pub(in crate::sys) fn common(a: &nsproxy, b: &nsproxy) -> Contexts {
    let mut common = Contexts::empty();
    for (context, is_common) in [
        (Context::Mount, ptr::eq(a.mnt_ns, b.mnt_ns)),
        (Context::Uts, ptr::eq(a.uts_ns, b.uts_ns)),
        (Context::Ipc, ptr::eq(a.ipc_ns, b.ipc_ns)),
        (
            Context::Pid,
            ptr::eq(a.pid_ns_for_children, b.pid_ns_for_children),
        ),
        (Context::Net, ptr::eq(a.net_ns, b.net_ns)),
        (Context::Cgroup, ptr::eq(a.cgroup_ns, b.cgroup_ns)),
        (
            Context::Time,
            ptr::eq(a.time_ns_for_children, b.time_ns_for_children),
        ),
    ] {
        if is_common {
            common |= context;
        }
    }
    common
}
