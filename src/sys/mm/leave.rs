// SPDX-License-Identifier: GPL-2.0

//! The second state: the task is still in its address space, and has said goodbye to it.

use super::{
    child_tid,
    cid::WithoutCid,
    copy::Copied, //
};
use crate::sys::task::Current;

/// A copy, and a task that has done what must be done in the old address space.
///
/// When dropped, the task stays where it is and gets a concurrency id again.
pub(crate) struct Left<'a> {
    pub(super) current: &'a Current,
    pub(super) without_cid: WithoutCid<'a>,
    pub(super) copy: Copied,
}

impl Copied {
    /// Wakes whoever waits for the task to leave the old address space, and gives the concurrency id back
    /// to it. Mirrors `mm_release()` and `sched_mm_cid_before_execve()`.
    ///
    /// Of `mm_release()`, `uprobe_free_utask()` is left out, since [`is_bound`](super::is_bound) has seen
    /// that the task is in no uprobe, and what else is kept there serves it in the copy as well. So is
    /// `deactivate_mm()`: segment registers mean the same in the copy, and a shadow stack that the kernel
    /// made stays mapped here, since munmap(2) may wait for the sharers and for userfaultfd.
    pub(crate) fn leave<'a>(self, current: &'a Current) -> Left<'a> {
        child_tid::clear(current);
        Left {
            current,
            without_cid: WithoutCid::leave(current),
            copy: self,
        }
    }
}
