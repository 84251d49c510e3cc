// SPDX-License-Identifier: GPL-2.0

//! Installs what was taken from a target into the structures that the request prepares.
//!
//! The checks compare the running task with what was pinned, not with the target. A pinned
//! namespace keeps its owner, and a pinned directory stays the same directory. Only the running
//! task changes its own credentials. So no lock has to join these checks with their use.

use core::ptr;
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

use super::pinned::{
    Directories,
    Place,
    Settled,
    Target, //
};
use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    sys::{
        bindings::*,
        cred::{
            Acting,
            Cred,
            UserNs, //
        },
        fs_struct::FsStruct,
        nsproxy::NsProxy,
        task::Current, //
    },
};

impl Target<Settled> {
    /// Replaces a namespace of `set` by the target's. For mount, also moves `fs` to its root.
    ///
    /// `credentials` are those that the running task will have afterwards, or `None` if it keeps
    /// its own. Mirrors `proc_ns_operations.install`. Fails with `EPERM`, and with `EINVAL` for a
    /// PID namespace that is neither the running task's nor a descendant of it.
    pub(crate) fn install(
        &self,
        kind: Context,
        set: &mut NsProxy,
        fs: Option<&mut FsStruct>,
        credentials: Option<&Cred>,
    ) -> Result {
        let ns = self.ns_common(kind).ok_or(EINVAL)?;
        let own = || {
            // SAFETY: Only the running task replaces its credentials.
            unsafe { unshare_current_cred() }
        };
        let mut nsset = bindings::nsset {
            flags: Contexts::from(kind).bits() as u32,
            nsproxy: set.as_ptr(),
            fs: fs.map_or(ptr::null_mut(), FsStruct::as_ptr),
            cred: credentials.map_or_else(own, Cred::as_ptr),
        };
        // SAFETY: All pointers are valid, and no task uses `set` or `fs`.
        to_result(unsafe { unshare_install(&mut nsset, ns) })
    }

    fn ns_common(&self, kind: Context) -> Option<*mut bindings::ns_common> {
        // For PID, the namespace that the target is in; an nsproxy has only that of its children.
        if kind == Context::Pid {
            let pid_ns = self.had.pid_ns.as_ref()?.as_ptr();
            // SAFETY: `self` owns a reference to the namespace.
            return Some(unsafe { unshare_pid_ns(pid_ns) });
        }
        let of = match kind {
            Context::Mount => unshare_mnt_ns_of,
            Context::Uts => unshare_uts_ns_of,
            Context::Ipc => unshare_ipc_ns_of,
            Context::Cgroup => unshare_cgroup_ns_of,
            Context::Net => unshare_net_ns_of,
            _ => return None,
        };
        // SAFETY: `self` owns a reference to the nsproxy, which holds its namespaces.
        Some(unsafe { of(self.had.nsproxy.as_ref()?.as_ptr()) })
    }

    /// Moves the credentials into the target's user namespace.
    ///
    /// Mirrors `userns_install()`, except for two checks: the caller of this function checks for
    /// other threads, and a shared `fs_struct` is replaced by a private one in the same request.
    /// Fails with `EINVAL` if the running task is in that user namespace already, or if memory for
    /// its `ucounts` is missing; with `EPERM`.
    pub(crate) fn install_user(&self, current: &Current, credentials: &mut Cred) -> Result {
        let user_ns = self.had.user_ns.as_ref().ok_or(EINVAL)?;
        if user_ns.as_ptr() == UserNs::of(current).as_ptr() {
            return Err(EINVAL);
        }
        if !user_ns.has_admin() {
            return Err(EPERM);
        }
        // SAFETY: `self` owns a reference to the namespace, and no task uses the credentials.
        unsafe { unshare_set_cred_user_ns(credentials.as_mut_ptr(), user_ns.as_ptr()) };
        credentials.set_ucounts().map_err(|_| EINVAL)
    }

    /// Replaces both time namespaces of `set`, the task's and its children's, by the target's.
    ///
    /// Mirrors `timens_install()`. The clocks of a time namespace are mapped into the address
    /// space. So this fails with `EUSERS` if another task uses that, unless the request leaves it
    /// (`leaves_mm`). Fails with `EPERM`.
    pub(crate) fn install_time(
        &self,
        current: &Current,
        set: &mut NsProxy,
        credentials: Option<&Cred>,
        leaves_mm: bool,
    ) -> Result {
        let nsproxy = self.had.nsproxy.as_ref().ok_or(EINVAL)?.as_ptr();
        // SAFETY: `self` owns a reference to the nsproxy, which holds the namespace.
        let time_ns = unsafe { (*nsproxy).time_ns };
        // A task with other threads cannot leave its address space. It gets EUSERS, because
        // setns(2) would fail with that before unshare(2) could fail with EINVAL.
        let leaves_mm = leaves_mm && !current.has_threads();
        if !leaves_mm {
            current.check_clocks_are_own()?;
        }
        let own = credentials.map_or_else(|| UserNs::of(current), Cred::user_ns);
        // SAFETY: The namespace is valid as above, and holds its owner.
        if !unsafe { unshare_has_admin(unshare_owner_of_time_ns(time_ns)) } || !own.has_admin() {
            return Err(EPERM);
        }
        // SAFETY: The namespace is valid as above.
        unsafe { set.join_time_ns(time_ns) };
        Ok(())
    }

    /// Moves `fs` to the target's root and working directory. Returns whether the root has changed.
    ///
    /// Mirrors chroot(2) to `/proc/PID/root` and fchdir(2) to `/proc/PID/cwd`. Fails with `EPERM`
    /// without CAP_SYS_CHROOT, and with `EACCES`.
    pub(crate) fn install_fs(&self, fs: &mut FsStruct, credentials: Option<&Cred>) -> Result<bool> {
        let directories = self.had.directories.as_ref().ok_or(EINVAL)?;
        {
            let _acting = credentials.map(Acting::with);
            directories.check_enter()?;
        }
        // SAFETY: No task uses the structure, so its paths may be replaced without a lock.
        unsafe {
            let fs = fs.as_ptr();
            let moved = directories.root.replace(unshare_fs_root(fs));
            directories.pwd.replace(unshare_fs_pwd(fs));
            Ok(moved)
        }
    }
}

impl Directories {
    /// Checks that the running task may go there, as chroot(2) and fchdir(2) do. Fails with `EPERM`
    /// without CAP_SYS_CHROOT, with `EACCES`, and as the security modules do.
    pub(super) fn check_enter(&self) -> Result {
        let (root, pwd) = (self.root.as_ptr(), self.pwd.as_ptr());
        // SAFETY: `self` owns references to both paths.
        to_result(unsafe { unshare_may_enter(root) })?;
        // SAFETY: The function reads the credentials of the running task.
        if !unsafe { unshare_may_chroot() } {
            return Err(EPERM);
        }
        // SAFETY: As above.
        to_result(unsafe { unshare_security_chroot(root) })?;
        // SAFETY: As above.
        to_result(unsafe { unshare_may_enter(pwd) })
    }
}

impl Place {
    /// Puts another reference to this path into `slot`. Returns whether that had another path.
    ///
    /// # Safety
    ///
    /// `slot` must own references to its path, and nobody else may access it.
    unsafe fn replace(&self, slot: *mut bindings::path) -> bool {
        let new = self.as_ptr();
        // SAFETY: `self` owns references to `new`. As required, those of `slot` may be put.
        unsafe {
            let old = slot.read();
            bindings::path_get(new);
            slot.write(new.read());
            bindings::path_put(&old);
            old.mnt != (*new).mnt || old.dentry != (*new).dentry
        }
    }
}
