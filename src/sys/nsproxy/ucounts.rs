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
//! failed afterwards, would count until then, and the next request might fail with ENOSPC. So the
//! last three give their count back when they are dropped.
//!
//! A user namespace does not: its `ucounts` is the way by which all that it owns counts in the
//! namespaces above. `inc_ucount()` and `dec_ucount()` follow it without a lock, for a network
//! namespace that a thread still makes, and for a task that has found the user namespace through a
//! mount namespace (`NS_MNT_GET_NEXT`).

use core::{
    mem::replace,
    ptr::NonNull, //
};
use kernel::bindings::{
    net,
    nsproxy,
    ucount_type,
    ucount_type_UCOUNT_IPC_NAMESPACES as IPC,
    ucount_type_UCOUNT_NET_NAMESPACES as NET,
    ucount_type_UCOUNT_PID_NAMESPACES as PID,
    ucounts, //
};

use crate::contexts::{
    Context,
    Contexts, //
};
use crate::sys::bindings::{
    unshare_alloc_nobodys_ucounts,
    unshare_dec_ucount,
    unshare_inc_ucount_below,
    unshare_ipc_ucounts,
    unshare_net_ucounts,
    unshare_pid_ucounts,
    unshare_put_ucounts, //
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

/// Gives back what was counted for a network namespace that is about to be put for the last time.
///
/// # Safety
///
/// The namespace must be in no set, and no task may have been in it.
pub(super) unsafe fn give_back_of_net(net: NonNull<net>) {
    // SAFETY: As the caller promises, nobody else looks at the namespace.
    unsafe { give_back(unshare_net_ucounts(net.as_ptr()), NET) }
}

/// How many namespaces of a kind may wait for their worker without counting for their user.
///
/// What bounds a user who makes namespaces faster than the workers free them is that those that wait
/// still count.
const WAITING: isize = 16;

/// Gives the count of a namespace back that no task has been in and that is about to be put.
///
/// From now on, the namespace counts for the invalid user in the initial user namespace, who is no
/// task's user; what frees the namespace takes it off there. If [`WAITING`] of the kind count there
/// already, or memory for that user's counters is missing, the namespace counts as it did until it is
/// freed.
///
/// # Safety
///
/// `charged` is the field of the namespace that says where it counts as a `kind`. Nobody else reads
/// it before the namespace is put.
unsafe fn give_back(charged: *mut *mut ucounts, kind: ucount_type) {
    // SAFETY: May be called by any task.
    let nobodys = unsafe { unshare_alloc_nobodys_ucounts() };
    if nobodys.is_null() {
        return;
    }
    // SAFETY: `nobodys` holds a reference to the counters, which moves to the namespace with a count
    // of its kind, or is put. The namespace's own reference goes with its count.
    unsafe {
        if unshare_inc_ucount_below(nobodys, kind, WAITING) {
            unshare_dec_ucount(replace(&mut *charged, nobodys), kind);
        } else {
            unshare_put_ucounts(nobodys);
        }
    }
}
