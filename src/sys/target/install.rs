// SPDX-License-Identifier: GPL-2.0

//! Putting what a settled target had into copies that no task has yet.
//!
//! The checks here are of the caller against what was pinned, and not of the target: a namespace keeps
//! its owner, a directory that was pinned stays that directory. The caller's own credentials are changed
//! by the caller alone. So no lock has to join these checks with their use.

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
    /// Puts a namespace of the task's into `set`.
    ///
    /// `credentials` are those that the running task is to have in there, where they are new. Of the
    /// mount namespace, `fs` is moved to the root. Mirrors `proc_ns_operations.install`. Fails with
    /// `EPERM`, and `EINVAL` for a PID namespace that is neither the running task's nor below it.
    pub(crate) fn install(
        &self,
        kind: Context,
        set: &mut NsProxy,
        fs: Option<&mut FsStruct>,
        credentials: Option<&Cred>,
    ) -> Result {
        let ns = self.ns_common(kind).ok_or(EINVAL)?;
        let own = || {
            // SAFETY: The running task has credentials, which only it replaces.
            unsafe { unshare_current_cred() }
        };
        let mut nsset = bindings::nsset {
            flags: Contexts::from(kind).bits() as u32,
            nsproxy: set.as_ptr(),
            fs: fs.map_or(ptr::null_mut(), FsStruct::as_ptr),
            cred: credentials.map_or_else(own, Cred::as_ptr),
        };
        // SAFETY: Everything is valid, and `set` and `fs` are nobody else's.
        to_result(unsafe { unshare_install(&mut nsset, ns) })
    }

    fn ns_common(&self, kind: Context) -> Option<*mut bindings::ns_common> {
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
        // SAFETY: `self` owns a count of the nsproxy, which has a reference to each namespace.
        Some(unsafe { of(self.had.nsproxy.as_ref()?.as_ptr()) })
    }

    /// Puts the credentials into the user namespace of the task.
    ///
    /// Mirrors `userns_install()`, except for the checks of threads, which the caller makes, and of a
    /// shared `fs_struct`, which gives way to a private one in the same request. Fails with `EINVAL`
    /// for the namespace that the running task is in, and where it would exceed a limit; with `EPERM`.
    pub(crate) fn install_user(&self, current: &Current, credentials: &mut Cred) -> Result {
        let user_ns = self.had.user_ns.as_ref().ok_or(EINVAL)?;
        if user_ns.as_ptr() == UserNs::of(current).as_ptr() {
            return Err(EINVAL);
        }
        if !user_ns.has_admin() {
            return Err(EPERM);
        }
        // SAFETY: `self` owns a reference to the namespace, and nobody else sees the credentials.
        unsafe { unshare_set_cred_user_ns(credentials.as_mut_ptr(), user_ns.as_ptr()) };
        credentials.set_ucounts().map_err(|_| EINVAL)
    }

    /// Puts the time namespace of the task into `set`, for the running task and for its children.
    ///
    /// Mirrors `timens_install()`. The clocks of a time namespace are mapped into the address space,
    /// so this fails with `EUSERS` where another task uses that, unless the request leaves it
    /// (`leaves_mm`). Fails with `EPERM`.
    pub(crate) fn install_time(
        &self,
        current: &Current,
        set: &mut NsProxy,
        credentials: Option<&Cred>,
        leaves_mm: bool,
    ) -> Result {
        let nsproxy = self.had.nsproxy.as_ref().ok_or(EINVAL)?.as_ptr();
        // SAFETY: `self` owns a count of the nsproxy, which has a reference to the namespace.
        let time_ns = unsafe { (*nsproxy).time_ns };
        // A task with threads cannot leave: EUSERS, as setns(2) says it before unshare(2) says EINVAL.
        let leaves_mm = leaves_mm && !current.has_threads();
        if !leaves_mm {
            current.check_clocks_are_own()?;
        }
        let own = credentials.map_or_else(|| UserNs::of(current), Cred::user_ns);
        // SAFETY: The namespace is valid as above, and has a reference to its owner.
        if !unsafe { unshare_has_admin(unshare_owner_of_time_ns(time_ns)) } || !own.has_admin() {
            return Err(EPERM);
        }
        // SAFETY: The namespace is valid as above.
        unsafe { set.join_time_ns(time_ns) };
        Ok(())
    }

    /// Moves `fs` to the root and working directory of the task.
    ///
    /// Mirrors `chroot(2)` and `fchdir(2)` with links of `/proc/PID`. Returns whether the root has
    /// changed. Fails with `EPERM` without `CAP_SYS_CHROOT`, and with `EACCES`.
    pub(crate) fn install_fs(&self, fs: &mut FsStruct, credentials: Option<&Cred>) -> Result<bool> {
        let directories = self.had.directories.as_ref().ok_or(EINVAL)?;
        {
            let _acting = credentials.map(Acting::with);
            directories.check_enter()?;
        }
        // SAFETY: The structure is nobody else's, so that its paths may be replaced without a lock.
        unsafe {
            let fs = fs.as_ptr();
            let moved = directories.root.replace(unshare_fs_root(fs));
            directories.pwd.replace(unshare_fs_pwd(fs));
            Ok(moved)
        }
    }
}

impl Directories {
    /// Checks that the running task may go there. Mirrors `chroot(2)`, `fchdir(2)`.
    pub(super) fn check_enter(&self) -> Result {
        let (root, pwd) = (self.root.as_ptr(), self.pwd.as_ptr());
        // SAFETY: `self` owns the references of both paths.
        to_result(unsafe { unshare_may_enter(root) })?;
        // SAFETY: The function looks at the running task.
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
    /// Puts another reference to this place into `slot`. Returns whether another was there.
    ///
    /// # Safety
    ///
    /// `slot` must own a path that nobody else follows.
    unsafe fn replace(&self, slot: *mut bindings::path) -> bool {
        let new = self.as_ptr();
        // SAFETY: `self` owns references to `new`; by the safety requirement `slot` is ours, and the
        // path that was there is put.
        unsafe {
            let old = slot.read();
            bindings::path_get(new);
            slot.write(new.read());
            bindings::path_put(&old);
            old.mnt != (*new).mnt || old.dentry != (*new).dentry
        }
    }
}
