// SPDX-License-Identifier: GPL-2.0

//! `struct nsproxy`: the namespaces that a task is in.
//!
//! C header: [`include/linux/nsproxy.h`](srctree/include/linux/nsproxy.h).

mod active;
mod compare;
mod copy;
mod joined;
mod memcg;
mod net_ns;
mod net_thread;
mod ucounts;

use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

use super::{
    bindings::*,
    task::Current, //
};
use crate::contexts::Contexts;
use ucounts::give_back_of_set;

pub(crate) use self::active::{
    join_time_ns,
    perf_event_namespaces,
    ActiveNsProxy, //
};
use self::compare::changes;
pub(super) use self::compare::common;

/// An nsproxy that no task has used.
///
/// Dropping it frees the namespaces that were created for it, and uncharges them ([`ucounts`]).
/// Other tasks do not see this: listns(2) and the file handles of nsfs find active namespaces only,
/// and the mounts of a copied mount namespace are unmounted without propagation. There are two
/// exceptions, for a copied mount namespace:
///
/// - `NS_MNT_GET_NEXT` and `NS_MNT_GET_PREV` find it before the commit (`get_sequential_mnt_ns()`),
///   for a task with CAP_SYS_ADMIN in the initial namespaces (`may_see_all_namespaces()`). The
///   namespace then lives until that task closes it.
/// - statmount(2) and listmount(2) find it by its number (`lookup_mnt_ns()`), and list its mounts to
///   a task with CAP_SYS_ADMIN in the owning user namespace. For any other task, statmount(2) fails
///   with `EPERM`, which shows that the namespace exists.
///
/// # Invariants
///
/// Owns the only reference to the nsproxy, whose namespaces hold no active references for it. The
/// namespaces in `made` are in no other nsproxy. Nobody else holds them, except as listed above.
pub(crate) struct NsProxy {
    set: NonNull<bindings::nsproxy>,
    made: Contexts,
}

impl NsProxy {
    /// Creates an nsproxy with the namespaces of the running task. Mirrors
    /// `create_new_namespaces()` without flags. Fails with `ENOMEM`.
    pub(crate) fn dup(current: &Current) -> Result<Self> {
        // SAFETY: Only the running task replaces its nsproxy.
        unsafe { Self::dup_of(current.as_ptr()) }
    }

    /// As [`dup`](Self::dup), for `task`.
    ///
    /// # Safety
    ///
    /// The task must be valid, and must not change its nsproxy meanwhile.
    unsafe fn dup_of(task: *mut bindings::task_struct) -> Result<Self> {
        // SAFETY: By the safety requirements, the task's `nsproxy` is valid. Without flags, the
        // function only takes references, and uses neither the user namespace nor `fs`.
        let ns = unsafe {
            unshare_create_new_namespaces(0, task, unshare_task_user_ns(task), unshare_fs_of(task))
        };
        // INVARIANT: A new nsproxy has one reference, and is not active. Its namespaces are the
        // task's.
        Ok(Self {
            set: NonNull::new(from_err_ptr(ns)?).ok_or(ENOMEM)?,
            made: Contexts::empty(),
        })
    }

    /// Replaces the network namespace by `net`.
    ///
    /// # Safety
    ///
    /// The caller must hold a reference to `net`.
    pub(super) unsafe fn join_net_ns(&mut self, net: *mut bindings::net) {
        // SAFETY: By the safety requirements. The nsproxy exchanges its references.
        unsafe {
            unshare_get_net(net);
            let old = core::mem::replace(&mut self.set.as_mut().net_ns, net);
            unshare_put_net(old);
        }
    }

    /// Replaces both time namespaces, the task's and that of its children, by `time_ns`.
    ///
    /// # Safety
    ///
    /// The caller must hold a reference to `time_ns`.
    pub(super) unsafe fn join_time_ns(&mut self, time_ns: *mut bindings::time_namespace) {
        // SAFETY: By the type invariant, nobody else uses the nsproxy. For each reference that it
        // puts, it takes one to `time_ns`.
        unsafe {
            let set = self.set.as_mut();
            for place in [&mut set.time_ns, &mut set.time_ns_for_children] {
                unshare_get_time_ns(time_ns);
                unshare_put_time_ns(core::mem::replace(place, time_ns));
            }
        }
    }

    /// Returns the namespaces that differ from those of the running task.
    pub(crate) fn changes(&self, current: &Current) -> Contexts {
        // SAFETY: By the type invariant, the nsproxy is valid.
        unsafe { changes(current, self.set) }
    }

    /// Returns the nsproxy, which no task uses.
    pub(super) fn as_ptr(&mut self) -> *mut bindings::nsproxy {
        self.set.as_ptr()
    }

    /// Takes an active reference to each namespace, so that a task can use the nsproxy. Mirrors
    /// `nsproxy_ns_active_get()`, which must precede the installation.
    pub(crate) fn activate(self) -> ActiveNsProxy {
        let set = ManuallyDrop::new(self).set;
        // SAFETY: By the type invariant, the nsproxy is valid and not active.
        unsafe { unshare_nsproxy_ns_active_get(set.as_ptr()) };
        // SAFETY: The reference moves out of `self`, and the nsproxy is active.
        unsafe { ActiveNsProxy::from_raw(set) }
    }
}

impl Drop for NsProxy {
    fn drop(&mut self) {
        // For speed: most requests that drop an nsproxy created no namespace for it.
        if !self.made.is_empty() {
            // SAFETY: By the type invariants, the nsproxy holds these namespaces, and no other
            // nsproxy does. The last put follows.
            unsafe { give_back_of_set(self.set.as_ref(), self.made) };
        }
        // SAFETY: By the type invariant, this is the only reference, and the nsproxy is not active.
        unsafe { unshare_nsproxy_free(self.set.as_ptr()) };
    }
}
