// SPDX-License-Identifier: GPL-2.0

//! Another task, and what of its context can be taken part in.
//!
//! ```text
//! patience.rs   how long the request waits for the task, and what ends that
//!    |
//! access.rs     exec_update_lock of the task, and the permission that holds as long
//!    |
//! locks.rs      the task's task_lock and the lock of its fs_struct
//!    |
//! pinned.rs     Target<Pinned> -> Target<Settled>: references, and whether they belong together
//!    |
//! rest.rs       whether the task is between two changes of one system call, with the proof
//!    |
//! install.rs    Target<Settled> -> the copies that the request prepares
//!    |
//! held.rs       what a descriptor holds, as a Target<Settled>
//! ```
//!
//! C headers: [`include/linux/pid.h`](srctree/include/linux/pid.h),
//! [`include/linux/proc_ns.h`](srctree/include/linux/proc_ns.h).

use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    fs::file::LocalFile,
    prelude::*,
    sync::aref::ARef,
    task::Task, //
};

use super::{
    bindings::{
        unshare_get_pid,
        unshare_is_executing,
        unshare_pidfd_pid,
        unshare_smp_rmb, //
    },
    task::Current,
};
use crate::contexts::Contexts;

mod access;
mod held;
mod install;
mod locks;
mod patience;
mod pinned;
mod rest;

use access::ExecUpdateRead;
pub(crate) use held::check_return;
pub(super) use patience::Patience;
pub(crate) use pinned::{
    Settled,
    Target, //
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
    /// Fails with `EBADF`, and with `EINVAL` where the descriptor is no pidfd, as setns(2) does.
    pub(crate) fn of_pidfd(pidfd: i32) -> Result<Self> {
        let file = LocalFile::fget(pidfd as u32).map_err(|_| EBADF)?;
        // SAFETY: The file is open. The function was found, or nothing could be attached to.
        let pid = from_err_ptr(unsafe { unshare_pidfd_pid(file.as_ptr()) }).map_err(|_| EINVAL)?;
        // SAFETY: The file holds the `struct pid`.
        let pid = NonNull::new(unsafe { unshare_get_pid(pid) }).ok_or(EINVAL)?;
        // INVARIANT: The function has taken the reference.
        Ok(Self(pid))
    }

    /// Takes what the task has at a moment between two of its changes: of `wanted`, namespaces, and for
    /// [`crate::contexts::Context::Fs`] its directories.
    ///
    /// Waits for a task that is in the middle of a change, or executes a program; see [`patience`].
    /// Fails with `ESRCH` where the task exits and no longer has its namespaces or directories; with `EPERM` where the task may
    /// not be looked at, and with `EACCES` where its directories may not, as opening `/proc/PID/root`
    /// does; with `EBUSY` when the task takes too long, and `EINTR` after a deadly signal.
    pub(crate) fn take(&self, current: &Current, wanted: Contexts) -> Result<Target<Settled>> {
        let mut patience = Patience::new();
        loop {
            // Each time: a thread that executes a program takes over the number of the first one.
            let task = self.task().ok_or(ESRCH)?;
            let mut moving = None;
            let mut unsettled = None;
            if let Some(update) = ExecUpdateRead::try_lock(&task) {
                match pinned::try_take(&update, wanted) {
                    Ok(Ok(target)) => return Ok(target),
                    Ok(Err(pinned)) => {
                        unsettled = Some(pinned);
                        moving = Some(&*task);
                    }
                    Err(ESRCH) if self.is_moving(&task) => {}
                    Err(errno) => return Err(errno),
                }
            }
            // The lock is released: these puts may be the last ones, and sleep.
            drop(unsettled);
            patience.wait(current, moving)?;
        }
    }

    /// Returns whether the number goes over, or has gone over, from `task` to a thread of its group that
    /// executes a program: `de_thread()`.
    fn is_moving(&self, task: &Task) -> bool {
        // SAFETY: The task is borrowed, and its `signal_struct` lives as long.
        let executes = unsafe { unshare_is_executing(task.as_ptr()) };
        // Looked at after that: it is no more said when the number has gone over.
        // SAFETY: A barrier may stand anywhere.
        unsafe { unshare_smp_rmb() };
        executes || self.task().is_some_and(|now| now.as_ptr() != task.as_ptr())
    }

    /// Returns the task, unless it has been waited for.
    fn task(&self) -> Option<ARef<Task>> {
        // SAFETY: By the type invariant, the `struct pid` is valid.
        let task =
            unsafe { bindings::get_pid_task(self.0.as_ptr(), bindings::pid_type_PIDTYPE_PID) };
        // SAFETY: The function has taken a reference, which moves to the `ARef`. `Task` is a
        // transparent wrapper.
        NonNull::new(task).map(|task| unsafe { ARef::from_raw(task.cast()) })
    }
}

impl Drop for TargetTask {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the reference is ours to give back.
        unsafe { bindings::put_pid(self.0.as_ptr()) };
    }
}
