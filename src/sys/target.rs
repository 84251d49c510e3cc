// SPDX-License-Identifier: GPL-2.0

//! Another task, and what of its context can be taken part in.
//!
//! C headers: [`include/linux/pid.h`](srctree/include/linux/pid.h),
//! [`include/linux/proc_ns.h`](srctree/include/linux/proc_ns.h).

use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

use super::{
    bindings::*,
    cred::Cred,
    fs_struct::FsStruct,
    nsproxy::NsProxy, //
};
use crate::contexts::{
    Context,
    Contexts, //
};

/// The task behind a pidfd, which may have ended.
///
/// # Invariants
///
/// Owns one reference to the `struct pid`.
pub(crate) struct TargetTask(NonNull<bindings::pid>);

impl TargetTask {
    /// Returns the task that a descriptor of the running one stands for.
    ///
    /// Fails with `EBADF`, and with `EINVAL` where the descriptor is no pidfd.
    pub(crate) fn of_pidfd(pidfd: i32) -> Result<Self> {
        // SAFETY: Any number may be asked for.
        let pid = from_err_ptr(unsafe { unshare_pid_of_fd(pidfd) })?;
        // INVARIANT: The function gave us a reference.
        NonNull::new(pid).map(Self).ok_or(EBADF)
    }

    /// Pins what the task has at this moment: namespaces, and for [`Context::Fs`] its directories.
    ///
    /// Mirrors the snapshot of `validate_nsset()` with its check, `ptrace_may_access()`. Fails with
    /// `ESRCH` where the task has given it up; with `EPERM` where the task may not be looked at, and
    /// with `EACCES` where its directories may not, as of opening `/proc/PID/root`.
    pub(crate) fn pin(&self, wanted: Contexts) -> Result<Target<'_>> {
        // INVARIANT: Nothing is held so far.
        let mut target = Target {
            task: self,
            wanted,
            pinned: unshare_target::default(),
        };
        // SAFETY: By the type invariant, the `struct pid` is valid. What is pinned before a failure
        // goes when `target` does.
        to_result(unsafe {
            unshare_target_pin(self.0.as_ptr(), wanted.bits(), &mut target.pinned)
        })?;
        Ok(target)
    }
}

impl Drop for TargetTask {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the reference is ours to give back.
        unsafe { bindings::put_pid(self.0.as_ptr()) };
    }
}

/// What a task had when it was pinned.
///
/// # Invariants
///
/// Owns a reference to each thing that `pinned` points to.
pub(crate) struct Target<'a> {
    task: &'a TargetTask,
    wanted: Contexts,
    pinned: unshare_target,
}

impl Target<'_> {
    /// Returns whether what was pinned is what the task had when no change of it was half done.
    ///
    /// May wait for the task to return to user mode. Fails with `EINTR`.
    pub(crate) fn is_whole(&self) -> Result<bool> {
        let sources = [Contexts::NSPROXY, Context::User.into(), Context::Fs.into()];
        let wanted = sources
            .into_iter()
            .filter(|source| self.wanted.contains_any(*source));
        // What is behind one pointer changes at once.
        if wanted.count() < 2 {
            return Ok(true);
        }
        let pid = self.task.0.as_ptr();
        // SAFETY: By the type invariant of the task, the `struct pid` is valid.
        to_result(unsafe { unshare_target_settle(pid) })?;
        // SAFETY: As above, and by our type invariant what was pinned is valid.
        Ok(unsafe { unshare_target_is_unchanged(pid, self.wanted.bits(), &self.pinned) })
    }

    /// Puts a namespace of the task's into `set`.
    ///
    /// `credentials` are those that the running task is to have in there, where they are new. Of the
    /// mount namespace, `fs` is moved to the root. Mirrors `proc_ns_operations.install`. Fails with
    /// `EPERM`, and `EINVAL` for a PID namespace that is not below the running task's.
    pub(crate) fn install(
        &self,
        kind: Context,
        set: &mut NsProxy,
        fs: Option<&mut FsStruct>,
        credentials: Option<&Cred>,
    ) -> Result {
        let fs = fs.map_or(ptr::null_mut(), FsStruct::as_ptr);
        let credentials = credentials.map_or(ptr::null(), Cred::as_ptr);
        // SAFETY: Everything is valid, and `set` and `fs` are nobody else's. Without credentials,
        // those of the running task are taken.
        to_result(unsafe {
            unshare_target_install(
                &self.pinned,
                Contexts::from(kind).bits(),
                set.as_ptr(),
                fs,
                credentials,
            )
        })
    }

    /// Puts the credentials into the user namespace of the task.
    ///
    /// Mirrors `userns_install()`, of which it leaves the checks of threads and of a shared
    /// `fs_struct` to the caller. Fails with `EINVAL` for the namespace that the running task is in,
    /// and where it would exceed a limit; with `EPERM`.
    pub(crate) fn install_user(&self, credentials: &mut Cred) -> Result {
        // SAFETY: All of it is valid, and nobody else sees the credentials change.
        to_result(unsafe { unshare_target_install_user(&self.pinned, credentials.as_mut_ptr()) })
    }

    /// Puts the time namespace of the task into `set`, for the running task and for its children.
    ///
    /// Mirrors `timens_install()`. Fails with `EUSERS` where another task uses the address space,
    /// unless `leaves_mm`; with `EPERM`.
    pub(crate) fn install_time(
        &self,
        set: &mut NsProxy,
        credentials: Option<&Cred>,
        leaves_mm: bool,
    ) -> Result {
        let credentials = credentials.map_or(ptr::null(), Cred::as_ptr);
        // SAFETY: As in `install`.
        to_result(unsafe {
            unshare_target_install_time(&self.pinned, set.as_ptr(), credentials, leaves_mm)
        })
    }

    /// Moves `fs` to the root and working directory of the task.
    ///
    /// Mirrors `chroot(2)` and `fchdir(2)`. Returns whether the root has changed. Fails with `EPERM`
    /// without `CAP_SYS_CHROOT`, and with `EACCES`.
    pub(crate) fn install_fs(&self, fs: &mut FsStruct, credentials: Option<&Cred>) -> Result<bool> {
        let credentials = credentials.map_or(ptr::null(), Cred::as_ptr);
        // SAFETY: As in `install`; the paths were pinned, since the caller wants them.
        let moved = unsafe { unshare_target_install_fs(&self.pinned, fs.as_ptr(), credentials) };
        to_result(moved).map(|()| moved != 0)
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, what is there is ours to give back.
        unsafe { unshare_target_unpin(&mut self.pinned) };
    }
}
