// SPDX-License-Identifier: GPL-2.0

//! The set of namespaces that a task is in.
//!
//! C header: [`include/linux/nsproxy.h`](srctree/include/linux/nsproxy.h).

mod active;
mod compare;

use core::{
    mem::ManuallyDrop,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

use super::{
    bindings::*,
    cred::UserNs,
    fs_struct::FsStruct,
    net_ns::{
        self,
        NetNs, //
    },
    task::Current,
    ucounts::give_back_of_set, //
};
use crate::contexts::{
    Context,
    Contexts, //
};

pub(crate) use self::active::{
    join_time_ns,
    perf_event_namespaces,
    ActiveNsProxy, //
};
pub(super) use self::compare::common;

/// A set of namespaces that no task has been in.
///
/// A namespace that was made for the set goes when the set is dropped, and with it its count
/// ([`super::ucounts`]). `listns(2)` and file handles of nsfs find active namespaces only, and the
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
        let task = current.as_ptr();
        // SAFETY: The task runs, so that its `nsproxy` and `fs` are valid, and without a flag the
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

    /// Replaces the mount namespace by a copy, or with `CLONE_EMPTY_MNTNS` in `flags` by one that
    /// has only the root mount, and moves the root and working directory of `fs` into it.
    ///
    /// Mirrors `copy_mnt_ns()`. Fails with `ENOSPC`, `ENOMEM`.
    pub(crate) fn copy_mnt_ns(&mut self, flags: u64, owner: &UserNs, fs: &mut FsStruct) -> Result {
        self.replace(
            Context::Mount,
            |ns| &mut ns.mnt_ns,
            // SAFETY: The set holds `old`, `owner` is borrowed, and `fs` is nobody else's.
            |old| unsafe { unshare_copy_mnt_ns(flags, old, owner.as_ptr(), fs.as_ptr()) },
            unshare_put_mnt_ns,
        )
    }

    /// Replaces the UTS namespace by a copy. Mirrors `copy_utsname()`.
    pub(crate) fn copy_utsname(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Uts,
            |ns| &mut ns.uts_ns,
            // SAFETY: The set holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_utsname(flags, owner.as_ptr(), old) },
            unshare_put_uts_ns,
        )
    }

    /// Replaces the IPC namespace by a new one. Mirrors `copy_ipcs()`.
    pub(crate) fn copy_ipcs(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Ipc,
            |ns| &mut ns.ipc_ns,
            // SAFETY: The set holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_ipcs(flags, owner.as_ptr(), old) },
            unshare_put_ipc_ns,
        )
    }

    /// Replaces the PID namespace of children to come by a new one. Mirrors `copy_pid_ns()`.
    ///
    /// Fails with `EINVAL` where that of the children is not the task's own any longer.
    pub(crate) fn copy_pid_ns(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Pid,
            |ns| &mut ns.pid_ns_for_children,
            // SAFETY: The set holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_pid_ns(flags, owner.as_ptr(), old) },
            bindings::put_pid_ns,
        )
    }

    /// Replaces the cgroup namespace by one rooted where the task is. Mirrors `copy_cgroup_ns()`.
    pub(crate) fn copy_cgroup_ns(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Cgroup,
            |ns| &mut ns.cgroup_ns,
            // SAFETY: The set holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_cgroup_ns(flags, owner.as_ptr(), old) },
            unshare_put_cgroup_ns,
        )
    }

    /// Replaces the network namespace by a new one. Mirrors `copy_net_ns()`.
    ///
    /// Fails with `EINTR` too, when a deadly signal comes while it waits for its turn.
    pub(crate) fn copy_net_ns(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Net,
            |ns| &mut ns.net_ns,
            // SAFETY: The set holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_net_ns(flags, owner.as_ptr(), old) },
            unshare_put_net,
        )
    }

    /// Replaces the network namespace by a new one, made as a task in it would: see
    /// [`super::net_ns`]. Fails as `copy_net_ns` does.
    pub(crate) fn copy_net_ns_in(&mut self, owner: &UserNs) -> Result {
        self.replace(
            Context::Net,
            |ns| &mut ns.net_ns,
            |old| {
                let copy = |old| {
                    // SAFETY: The set holds `old`.
                    unsafe { net_ns::copy_net_ns_in(old, owner) }
                };
                NonNull::new(old)
                    .map_or(Err(EINVAL), copy)
                    .map_or_else(Error::to_ptr, NetNs::into_raw)
            },
            unshare_put_net,
        )
    }

    /// Replaces the time namespace of children to come by a new one. Mirrors `copy_time_ns()`.
    pub(crate) fn copy_time_ns(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Time,
            |ns| &mut ns.time_ns_for_children,
            // SAFETY: The set holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_time_ns(flags, owner.as_ptr(), old) },
            unshare_put_time_ns,
        )
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

    /// Puts what `copy` makes of a namespace in its place, and releases the one that was there.
    fn replace<T>(
        &mut self,
        kind: Context,
        place: impl FnOnce(&mut bindings::nsproxy) -> &mut *mut T,
        copy: impl FnOnce(*mut T) -> *mut T,
        put: unsafe extern "C" fn(*mut T),
    ) -> Result {
        // SAFETY: By the type invariant, nobody else knows the structure.
        let place = place(unsafe { self.set.as_mut() });
        let old = core::mem::replace(place, from_err_ptr(copy(*place))?);
        // INVARIANT: The namespace is new.
        self.made |= kind;
        // SAFETY: The set held a reference to `old` and does not name it any more.
        unsafe { put(old) };
        Ok(())
    }

    /// Returns the namespaces of the set that are other ones than those of the running task.
    pub(crate) fn changes(&self, current: &Current) -> Contexts {
        // SAFETY: The task runs and so is in namespaces, of which only itself takes another set. By
        // the type invariant the new set is valid. A set that a task is in does not change.
        let (old, new) = unsafe { (&*unshare_nsproxy_of(current.as_ptr()), self.set.as_ref()) };
        let mut changes = Contexts::NSPROXY.without(common(old, new));
        if !ptr::eq(old.time_ns, new.time_ns) {
            changes |= Context::Time;
        }
        changes
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
