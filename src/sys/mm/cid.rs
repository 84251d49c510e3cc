// SPDX-License-Identifier: GPL-2.0

//! The concurrency id (`mm_cid`) of a task: a number that is unique in its address space.

use crate::sys::task::Current;

#[cfg(CONFIG_SCHED_MM_CID)]
use crate::sys::bindings::{
    unshare_rseq_force_update,
    unshare_sched_mm_cid_after_execve,
    unshare_sched_mm_cid_before_execve, //
};

/// The running task without a concurrency id. Its drop gets one in the task's mm.
///
/// Must not be dropped under a spinlock, because the kernel takes a mutex.
///
/// Mirrors `sched_mm_cid_before_execve()` and, when dropped, `sched_mm_cid_after_execve()` and the
/// `rseq_force_update()` of `bprm_execve()`. Without the latter, a program would see its new id
/// only after a task switch.
pub(super) struct WithoutCid<'a>(
    #[cfg_attr(not(CONFIG_SCHED_MM_CID), expect(dead_code))] &'a Current,
);

impl<'a> WithoutCid<'a> {
    /// Gives the id back to the task's address space.
    pub(super) fn leave(current: &'a Current) -> Self {
        #[cfg(CONFIG_SCHED_MM_CID)]
        // SAFETY: The task is the running one, and holds no spinlock.
        unsafe {
            unshare_sched_mm_cid_before_execve(current.as_ptr())
        };
        Self(current)
    }
}

#[cfg(CONFIG_SCHED_MM_CID)]
impl Drop for WithoutCid<'_> {
    fn drop(&mut self) {
        // SAFETY: The task is the running one, has given its id back, and holds no spinlock.
        unsafe {
            unshare_sched_mm_cid_after_execve(self.0.as_ptr());
            unshare_rseq_force_update();
        }
    }
}
