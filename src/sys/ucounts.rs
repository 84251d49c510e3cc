// SPDX-License-Identifier: GPL-2.0

//! What `user.max_*_namespaces` limits.
//!
//! C header: [`include/linux/user_namespace.h`](srctree/include/linux/user_namespace.h).
//!
//! A namespace counts for the user who made it, in the user namespace that owns it, and in those
//! above, from `inc_ucount()` until it is freed. For most kinds that is at the last put. Four are
//! freed later, by a worker: user namespaces (`free_user_ns()`), PID namespaces
//! (`delayed_free_pidns()`, after a grace period of RCU), IPC namespaces (`free_ipc_ns()`) and
//! network namespaces (`cleanup_net()`). One that was made for a dry run, or for a request that
//! failed afterwards, would count until then, and the next request might fail with ENOSPC.

use core::mem::replace;
use kernel::bindings::{
    nsproxy,
    ucount_type,
    ucount_type_UCOUNT_IPC_NAMESPACES as IPC,
    ucount_type_UCOUNT_NET_NAMESPACES as NET,
    ucount_type_UCOUNT_PID_NAMESPACES as PID,
    ucount_type_UCOUNT_USER_NAMESPACES as USER,
    ucounts,
    user_namespace, //
};

use super::bindings::{
    unshare_alloc_nobodys_ucounts,
    unshare_dec_ucount,
    unshare_inc_ucount_unlimited,
    unshare_ipc_ucounts,
    unshare_net_ucounts,
    unshare_pid_ucounts,
    unshare_user_ns_ucounts, //
};
use crate::contexts::{
    Context,
    Contexts, //
};

/// Gives back what was counted for the namespaces in `made`, of a set that is about to be freed.
///
/// # Safety
///
/// The namespaces in `made` must be in no other set, and no task may have been in them.
pub(super) unsafe fn give_back_of_set(set: &nsproxy, made: Contexts) {
    // SAFETY: The set holds its namespaces, and as the caller promises, nobody else looks at these.
    unsafe {
        if made.contains(Context::Ipc) {
            give_back(unshare_ipc_ucounts(set.ipc_ns), IPC);
        }
        if made.contains(Context::Pid) {
            give_back(unshare_pid_ucounts(set.pid_ns_for_children), PID);
        }
        if made.contains(Context::Net) {
            give_back(unshare_net_ucounts(set.net_ns), NET);
        }
    }
}

/// Gives back what was counted for a user namespace that is about to be put.
///
/// # Safety
///
/// Only credentials that no task has had may be in the user namespace, and what was made for it must
/// have been given back before: that counts in the namespaces above by this one's field.
pub(super) unsafe fn give_back_of_user_ns(user_ns: *mut user_namespace) {
    // SAFETY: As the caller promises.
    unsafe { give_back(unshare_user_ns_ucounts(user_ns), USER) };
}

/// Gives the count of a namespace back that no task has been in and that is about to be put.
///
/// From now on, the namespace counts for the invalid user in the initial user namespace, whom no
/// task can be and who so has no limit to reach; what frees the namespace takes it off there.
///
/// Without memory for that user's counters, the namespace counts until it is freed.
///
/// # Safety
///
/// `charged` is the field of the namespace that says where it counts as a `kind`. Nobody else reads
/// it before the namespace is put: neither who frees the namespace, nor, for a user namespace, who
/// counts in one below it.
unsafe fn give_back(charged: *mut *mut ucounts, kind: ucount_type) {
    // SAFETY: May be called by any task.
    let nobodys = unsafe { unshare_alloc_nobodys_ucounts() };
    if nobodys.is_null() {
        return;
    }
    // SAFETY: `nobodys` holds a reference to the counters, which moves to the namespace. That of the
    // namespace goes with its count.
    unsafe {
        unshare_inc_ucount_unlimited(nobodys, kind);
        unshare_dec_ucount(replace(&mut *charged, nobodys), kind);
    }
}
