// SPDX-License-Identifier: GPL-2.0

//! The second state: the task has done what is due before it leaves its address space.

use super::{
    child_tid,
    cid::WithoutCid,
    copy::Copied, //
};
use crate::sys::task::Current;

/// A copy, and a task that is ready to leave the old address space.
///
/// When dropped, the task stays in the old address space and gets a concurrency id again.
pub(crate) struct Left<'a> {
    pub(super) current: &'a Current,
    pub(super) without_cid: WithoutCid<'a>,
    pub(super) copy: Copied,
}

impl Copied {
    /// Wakes waiters on `clear_child_tid`, and gives the concurrency id back to the old mm.
    ///
    /// Mirrors `mm_release()` and `sched_mm_cid_before_execve()`, but leaves out two calls:
    /// - `uprobe_free_utask()`: [`is_bound`](super::is_bound) has checked that the task is in no
    ///   uprobe, and the rest of `utask` is valid in the copy.
    /// - `deactivate_mm()`: segment registers mean the same in the copy. A shadow stack that the
    ///   kernel allocated stays mapped in the old address space, because munmap(2) may wait for its
    ///   other users and for userfaultfd.
    pub(crate) fn leave<'a>(self, current: &'a Current) -> Left<'a> {
        child_tid::clear(current);
        Left {
            current,
            without_cid: WithoutCid::leave(current),
            copy: self,
        }
    }
}
