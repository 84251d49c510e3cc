// SPDX-License-Identifier: GPL-2.0

//! Uncharging namespaces from `user.max_*_namespaces` when a request does not use them.
//!
//! C header: [`include/linux/user_namespace.h`](srctree/include/linux/user_namespace.h).
//!
//! `inc_ucount()` charges a namespace to the user who creates it, in the owning user namespace and
//! in its ancestors, until the namespace is freed. Most kinds are freed by the last put. Four kinds
//! are freed later, by a worker: user namespaces (`free_user_ns()`), PID namespaces
//! (`delayed_free_pidns()`, after an RCU grace period), IPC namespaces (`free_ipc_ns()`) and
//! network namespaces (`cleanup_net()`). If a dry run or a failed request created one, it would be
//! charged until the worker runs, and the next request might fail with ENOSPC. So PID, IPC and
//! network namespaces are uncharged when they are dropped.
//!
//! A user namespace is not uncharged: the namespaces that it owns are charged to its ancestors
//! through its `ucounts`. `inc_ucount()` and `dec_ucount()` follow that pointer without a lock, for
//! a network namespace that a thread is still creating, or for a task that found the user namespace
//! through a mount namespace (`NS_MNT_GET_NEXT`).

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

/// Uncharges the namespaces in `made`, of an nsproxy that is about to be freed.
///
/// # Safety
///
/// The namespaces in `made` must be in no other nsproxy, and no task may have been in them.
pub(super) unsafe fn give_back_of_set(set: &nsproxy, made: Contexts) {
    // SAFETY: The nsproxy holds its namespaces. As required, nobody else reads their `ucounts`.
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

/// Uncharges a network namespace that is about to be put for the last time.
///
/// # Safety
///
/// The namespace must be in no nsproxy, and no task may have been in it.
pub(super) unsafe fn give_back_of_net(net: NonNull<net>) {
    // SAFETY: By the safety requirements, nobody else reads `ucounts`.
    unsafe { give_back(unshare_net_ucounts(net.as_ptr()), NET) }
}

/// How many uncharged namespaces of a kind may wait for their worker.
///
/// Without this limit, a user could create namespaces faster than the workers free them. Beyond it,
/// the namespaces stay charged until they are freed.
const WAITING: isize = 16;

/// Uncharges a namespace that no task has been in and that is about to be put.
///
/// Charges it to INVALID_UID in the initial user namespace instead, which no task has as its user.
/// The code that frees the namespace uncharges it there. If [`WAITING`] of the kind are charged
/// there already, or memory is missing, the namespace stays charged to its user until it is freed.
///
/// # Safety
///
/// `charged` must point to the `ucounts` of the namespace, to which it is charged as a `kind`.
/// Nobody else may read them before the namespace is put.
unsafe fn give_back(charged: *mut *mut ucounts, kind: ucount_type) {
    // SAFETY: The function has no requirements.
    let nobodys = unsafe { unshare_alloc_nobodys_ucounts() };
    if nobodys.is_null() {
        return;
    }
    // SAFETY: The reference to `nobodys` moves to the namespace together with a charge, or is put.
    // The namespace's old reference is put together with its charge.
    unsafe {
        if unshare_inc_ucount_below(nobodys, kind, WAITING) {
            unshare_dec_ucount(replace(&mut *charged, nobodys), kind);
        } else {
            unshare_put_ucounts(nobodys);
        }
    }
}
