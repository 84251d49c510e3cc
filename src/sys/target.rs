// SPDX-License-Identifier: GPL-2.0

//! The task to which a request attaches, and what can be taken from it.
//!
//! ```text
//! patience.rs   how long the request waits for the task, and what ends the wait
//!    |
//! access.rs     the task's exec_update_lock, and the permission check under it
//!    |
//! locks.rs      the task's task_lock, and the lock of its fs_struct
//!    |
//! pinned.rs     Target<Pinned> -> Target<Settled>: references, and whether they belong together
//!    |
//! rest.rs       whether the task is between two changes of one system call, with the proof
//!    |
//! install.rs    Target<Settled> -> the structures that the request prepares
//!    |
//! held.rs       a held context as a Target<Settled>
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

/// The task behind a pidfd. It may have exited.
///
/// # Invariants
///
/// Owns one reference to the `struct pid`.
pub(crate) struct TargetTask(NonNull<bindings::pid>);

impl TargetTask {
    /// Returns the task behind a pidfd, which is a descriptor of the running task. Fails with
    /// `EBADF`, and with `EINVAL` if the descriptor is not a pidfd, as setns(2) does.
    pub(crate) fn of_pidfd(pidfd: i32) -> Result<Self> {
        let file = LocalFile::fget(pidfd as u32).map_err(|_| EBADF)?;
        // SAFETY: `file` is open. Attaching is offered only if the function was found.
        let pid = from_err_ptr(unsafe { unshare_pidfd_pid(file.as_ptr()) }).map_err(|_| EINVAL)?;
        // SAFETY: `file` holds the `struct pid`.
        let pid = NonNull::new(unsafe { unshare_get_pid(pid) }).ok_or(EINVAL)?;
        // INVARIANT: `get_pid()` took the reference.
        Ok(Self(pid))
    }

    /// Takes references to the namespaces in `wanted`, and to the root and working directory if
    /// `wanted` has [`crate::contexts::Context::Fs`]. All of them are the task's at one moment.
    ///
    /// Waits while the task is in the middle of a change, or executes a program; see [`patience`].
    /// Fails with `ESRCH` if the task is exiting and has given up its namespaces or directories;
    /// with `EPERM` if the caller may not access the task; with `EACCES` if it may not access the
    /// directories, as opening `/proc/PID/root` does; with `EBUSY` if the wait exceeds its limit;
    /// with `EINTR` on a fatal signal.
    pub(crate) fn take(&self, current: &Current, wanted: Contexts) -> Result<Target<Settled>> {
        let mut patience = Patience::new();
        loop {
            // Each time, because a thread that executes a program takes over the leader's PID.
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
            // No lock is held here: the last puts may sleep.
            drop(unsettled);
            patience.wait(current, moving)?;
        }
    }

    /// Returns whether a thread that executes a program takes or has taken over the PID of `task`
    /// (`de_thread()`).
    fn is_moving(&self, task: &Task) -> bool {
        // SAFETY: The task is borrowed, and holds its `signal_struct`.
        let executes = unsafe { unshare_is_executing(task.as_ptr()) };
        // Look the PID up after that: once `group_exec_task` is cleared, the PID has a new owner.
        // SAFETY: A barrier has no requirements.
        unsafe { unshare_smp_rmb() };
        executes || self.task().is_some_and(|now| now.as_ptr() != task.as_ptr())
    }

    /// Returns the task, unless it has been reaped.
    fn task(&self) -> Option<ARef<Task>> {
        // SAFETY: By the type invariant, the `struct pid` is valid.
        let task =
            unsafe { bindings::get_pid_task(self.0.as_ptr(), bindings::pid_type_PIDTYPE_PID) };
        // SAFETY: The function took the reference. `Task` is a transparent wrapper.
        NonNull::new(task).map(|task| unsafe { ARef::from_raw(task.cast()) })
    }
}

impl Drop for TargetTask {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `self` owns the reference.
        unsafe { bindings::put_pid(self.0.as_ptr()) };
    }
}
