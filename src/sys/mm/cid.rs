// SPDX-License-Identifier: GPL-2.0

//! The concurrency id of a task, which is a number that belongs to an address space.

use crate::sys::task::Current;

#[cfg(CONFIG_SCHED_MM_CID)]
use crate::sys::bindings::{
    unshare_rseq_force_update,
    unshare_sched_mm_cid_after_execve,
    unshare_sched_mm_cid_before_execve, //
};

/// The running task without a concurrency id. When dropped, it gets one of the address space in which it
/// runs then.
///
/// Must not be dropped under a spinlock: the kernel takes a mutex for it.
///
/// Mirrors `sched_mm_cid_before_execve()`, `sched_mm_cid_after_execve()`, and the `rseq_force_update()`
/// of `bprm_execve()`: programs are told of another id at a task switch only.
pub(super) struct WithoutCid<'a>(
    #[cfg_attr(not(CONFIG_SCHED_MM_CID), expect(dead_code))] &'a Current,
);

impl<'a> WithoutCid<'a> {
    /// Gives the id back to the address space in which the task runs.
    pub(super) fn leave(current: &'a Current) -> Self {
        #[cfg(CONFIG_SCHED_MM_CID)]
        // SAFETY: The task runs in its address space, with no spinlock held.
        unsafe {
            unshare_sched_mm_cid_before_execve(current.as_ptr())
        };
        Self(current)
    }
}

#[cfg(CONFIG_SCHED_MM_CID)]
impl Drop for WithoutCid<'_> {
    fn drop(&mut self) {
        // SAFETY: The task has given its id back, and runs with no spinlock held.
        unsafe {
            unshare_sched_mm_cid_after_execve(self.0.as_ptr());
            unshare_rseq_force_update();
        }
    }
}
