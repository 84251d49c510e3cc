// SPDX-License-Identifier: GPL-2.0

//! The set of namespaces that a task is in.
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
pub(super) use self::compare::common;
use self::compare::{
    changes,
    changes_clocks, //
};

/// A set of namespaces that no task has been in.
///
/// A namespace that was made for the set goes when the set is dropped, and with it its count
/// ([`ucounts`]). `listns(2)` and file handles of nsfs find active namespaces only, and the
/// mounts of a copied mount namespace are taken down without propagation. So no task sees the drop, with
/// two exceptions, both about a copied mount namespace:
///
/// - `NS_MNT_GET_NEXT` and `NS_MNT_GET_PREV` find it before the commit (`get_sequential_mnt_ns()`), for an
///   administrator in the initial namespaces (`may_see_all_namespaces()`). One that was found so lives on
///   until that task has closed it.
/// - `statmount(2)` and `listmount(2)` find it by its number (`lookup_mnt_ns()`). They list its mounts for an
///   administrator of the user namespace that owns it, and tell anybody else that it exists (`EPERM`).
///
/// # Invariants
///
/// Owns the only count of the structure, whose namespaces hold no active references for it. Those
/// in `made` are in this set alone, save a mount namespace that was found as above.
pub(crate) struct NsProxy {
    set: NonNull<bindings::nsproxy>,
    made: Contexts,
}

impl NsProxy {
    /// Makes a set of the namespaces that the running task is in.
    ///
    /// Mirrors `create_new_namespaces()` without a flag. Fails with `ENOMEM`.
    pub(crate) fn dup(current: &Current) -> Result<Self> {
        // SAFETY: The task runs, and only it replaces its nsproxy.
        unsafe { Self::dup_of(current.as_ptr()) }
    }

    /// # Safety
    ///
    /// The task must be valid, and in the same namespaces throughout.
    unsafe fn dup_of(task: *mut bindings::task_struct) -> Result<Self> {
        // SAFETY: As the caller promises, the task's `nsproxy` is valid, and without a flag the
        // function takes references and looks at neither the user namespace nor `fs`.
        let ns = unsafe {
            unshare_create_new_namespaces(0, task, unshare_task_user_ns(task), unshare_fs_of(task))
        };
        // INVARIANT: A new set has one count, which is this value's, and is not active. Its
        // namespaces are the task's.
        Ok(Self {
            set: NonNull::new(from_err_ptr(ns)?).ok_or(ENOMEM)?,
            made: Contexts::empty(),
        })
    }

    /// Puts a network namespace into the set.
    ///
    /// # Safety
    ///
    /// Somebody must hold the namespace.
    pub(super) unsafe fn join_net_ns(&mut self, net: *mut bindings::net) {
        // SAFETY: The caller says so; the set gets a reference for the one that it gives back.
        unsafe {
            unshare_get_net(net);
            let old = core::mem::replace(&mut self.set.as_mut().net_ns, net);
            unshare_put_net(old);
        }
    }

    /// Puts a time namespace into the set, for the task and for its children to come.
    ///
    /// # Safety
    ///
    /// Somebody must hold the namespace.
    pub(super) unsafe fn join_time_ns(&mut self, time_ns: *mut bindings::time_namespace) {
        // SAFETY: By the type invariant, nobody else knows the structure. The caller holds the
        // namespace, and the set gets a reference for each that it gives back.
        unsafe {
            let set = self.set.as_mut();
            for place in [&mut set.time_ns, &mut set.time_ns_for_children] {
                unshare_get_time_ns(time_ns);
                unshare_put_time_ns(core::mem::replace(place, time_ns));
            }
        }
    }

    /// Returns the namespaces of the set that are other ones than those of the running task.
    pub(crate) fn changes(&self, current: &Current) -> Contexts {
        // SAFETY: By the type invariant, the set is valid.
        unsafe { changes(current, self.set) }
    }

    pub(super) fn as_ptr(&mut self) -> *mut bindings::nsproxy {
        self.set.as_ptr()
    }

    /// Tells the namespaces that a task will be in them.
    ///
    /// Mirrors `nsproxy_ns_active_get()`, which has to precede the installation.
    pub(crate) fn activate(self) -> ActiveNsProxy {
        let set = ManuallyDrop::new(self).set;
        // SAFETY: By the type invariant, the structure is valid and was not active.
        unsafe { unshare_nsproxy_ns_active_get(set.as_ptr()) };
        // SAFETY: The count moves from `self`, and the set is active now.
        unsafe { ActiveNsProxy::from_raw(set) }
    }
}

impl Drop for NsProxy {
    fn drop(&mut self) {
        // For speed: most sets that are dropped were only to be attached to.
        if !self.made.is_empty() {
            // SAFETY: By the type invariants, the set holds its namespaces, and those that were
            // made for it are nobody else's. The last put follows.
            unsafe { give_back_of_set(self.set.as_ref(), self.made) };
        }
        // SAFETY: By the type invariant, the structure is ours alone and not active.
        unsafe { unshare_nsproxy_free(self.set.as_ptr()) };
    }
}
