// SPDX-License-Identifier: GPL-2.0

//! The second state: the task is still in its address space, and has said goodbye to it.

use super::{
    child_tid,
    cid::WithoutCid,
    copy::Copied, //
};
use crate::sys::{
    bindings::*,
    task::Current, //
};
use kernel::bindings;

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
    /// that the task is in no uprobe, and what else is kept there serves it in the copy as well. Of
    /// `deactivate_mm()`, the segment registers are left alone, which mean the same in the copy.
    pub(crate) fn leave<'a>(self, current: &'a Current) -> Left<'a> {
        unmap_shadow_stack(current);
        child_tid::clear(current);
        Left {
            current,
            without_cid: WithoutCid::leave(current),
            copy: self,
        }
    }
}

/// Unmaps the shadow stack that the kernel has made for the task, which nobody else uses. The task goes
/// on with the one in the copy, at the same address.
///
/// Mirrors `shstk_free()` of x86 and `gcs_free()` of arm64, which ignore errors, too.
fn unmap_shadow_stack(current: &Current) {
    let task = current.as_ptr();
    // SAFETY: The task runs in the address space that the stack is in, and no user code of it runs before
    // it is in the copy.
    unsafe {
        let base = unshare_shadow_stack(task);
        if base != 0 {
            bindings::vm_munmap(base, unshare_shadow_stack_size(task));
        }
    }
}
