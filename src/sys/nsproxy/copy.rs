// SPDX-License-Identifier: GPL-2.0

//! New namespaces for an nsproxy, each created from the one that the nsproxy has.

use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

use super::{
    net_ns::NetNs,
    net_thread,
    NsProxy, //
};
use crate::{
    contexts::Context,
    sys::{
        bindings::*,
        cred::UserNs,
        fs_struct::FsStruct, //
    }, //
};

/// Each function fails with `ENOMEM`, and with `ENOSPC` if a limit on namespaces is exceeded.
impl NsProxy {
    /// Replaces the mount namespace by a copy, and moves the root and working directory of `fs`
    /// into it. With `CLONE_EMPTY_MNTNS` in `flags`, the copy has only the root mount.
    /// Mirrors `copy_mnt_ns()`.
    pub(crate) fn copy_mnt_ns(&mut self, flags: u64, owner: &UserNs, fs: &mut FsStruct) -> Result {
        self.replace(
            Context::Mount,
            |ns| &mut ns.mnt_ns,
            // SAFETY: The nsproxy holds `old`, `owner` is borrowed, and no task uses `fs`.
            |old| unsafe { unshare_copy_mnt_ns(flags, old, owner.as_ptr(), fs.as_ptr()) },
            unshare_put_mnt_ns,
        )
    }

    /// Replaces the UTS namespace by a copy. Mirrors `copy_utsname()`.
    pub(crate) fn copy_utsname(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Uts,
            |ns| &mut ns.uts_ns,
            // SAFETY: The nsproxy holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_utsname(flags, owner.as_ptr(), old) },
            unshare_put_uts_ns,
        )
    }

    /// Replaces the IPC namespace by a new one. Mirrors `copy_ipcs()`.
    pub(crate) fn copy_ipcs(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Ipc,
            |ns| &mut ns.ipc_ns,
            // SAFETY: The nsproxy holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_ipcs(flags, owner.as_ptr(), old) },
            unshare_put_ipc_ns,
        )
    }

    /// Replaces the PID namespace of children by a new one. Mirrors `copy_pid_ns()`. Fails with
    /// `EINVAL` if the PID namespace of children is not the task's own.
    pub(crate) fn copy_pid_ns(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Pid,
            |ns| &mut ns.pid_ns_for_children,
            // SAFETY: The nsproxy holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_pid_ns(flags, owner.as_ptr(), old) },
            bindings::put_pid_ns,
        )
    }

    /// Replaces the cgroup namespace by one rooted at the task's cgroups. Mirrors
    /// `copy_cgroup_ns()`. Fails also with `EPERM`, without CAP_SYS_ADMIN in `owner`.
    pub(crate) fn copy_cgroup_ns(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Cgroup,
            |ns| &mut ns.cgroup_ns,
            // SAFETY: The nsproxy holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_cgroup_ns(flags, owner.as_ptr(), old) },
            unshare_put_cgroup_ns,
        )
    }

    /// Replaces the network namespace by a new one. Mirrors `copy_net_ns()`. Fails also with
    /// `EINTR`, if a fatal signal arrives while it waits for a lock.
    pub(crate) fn copy_net_ns(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Net,
            |ns| &mut ns.net_ns,
            // SAFETY: The nsproxy holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_net_ns(flags, owner.as_ptr(), old) },
            unshare_put_net,
        )
    }

    /// As [`copy_net_ns`](Self::copy_net_ns), but the settings come from the network namespace of
    /// the nsproxy, not from the running task's: see [`super::net_thread`].
    pub(crate) fn copy_net_ns_in(&mut self, owner: &UserNs) -> Result {
        self.replace(
            Context::Net,
            |ns| &mut ns.net_ns,
            |old| {
                let copy = |old| {
                    // SAFETY: The nsproxy holds `old`.
                    unsafe { net_thread::copy_net_ns_in(old, owner) }
                };
                NonNull::new(old)
                    .map_or(Err(EINVAL), copy)
                    .map_or_else(Error::to_ptr, NetNs::into_raw)
            },
            unshare_put_net,
        )
    }

    /// Replaces the time namespace of children by a new one. Mirrors `copy_time_ns()`.
    pub(crate) fn copy_time_ns(&mut self, flags: u64, owner: &UserNs) -> Result {
        self.replace(
            Context::Time,
            |ns| &mut ns.time_ns_for_children,
            // SAFETY: The nsproxy holds `old`, and `owner` is borrowed.
            |old| unsafe { unshare_copy_time_ns(flags, owner.as_ptr(), old) },
            unshare_put_time_ns,
        )
    }

    /// Replaces the namespace in `place` by what `copy` returns for it, and puts the old one.
    fn replace<T>(
        &mut self,
        kind: Context,
        place: impl FnOnce(&mut bindings::nsproxy) -> &mut *mut T,
        copy: impl FnOnce(*mut T) -> *mut T,
        put: unsafe extern "C" fn(*mut T),
    ) -> Result {
        // SAFETY: By the type invariant, nobody else uses the nsproxy.
        let place = place(unsafe { self.set.as_mut() });
        let old = core::mem::replace(place, from_err_ptr(copy(*place))?);
        // INVARIANT: The namespace is new, so no other nsproxy has it.
        self.made |= kind;
        // SAFETY: The nsproxy owned the reference to `old`, and does not contain it any more.
        unsafe { put(old) };
        Ok(())
    }
}
