// SPDX-License-Identifier: GPL-2.0

//! What ties a task to its address space.

use crate::sys::{
    bindings::*,
    task::Current, //
};

/// Returns whether something would still refer to the old address space after the task has left it.
///
/// All of it is begun and ended by the task itself, save that requests in io_uring may be completed by
/// others. So an answer of `false` holds until the task returns to user space.
pub(crate) fn is_bound(current: &Current) -> bool {
    is_in_uprobe(current)
        || has_pasid(current)
        || has_user_events(current)
        || has_io_uring_requests(current)
}

/// The task steps through a page of uprobes, or has to return by one, and that page is in no copy.
fn is_in_uprobe(_current: &Current) -> bool {
    #[cfg(CONFIG_UPROBES)]
    // SAFETY: The task runs, and nobody else changes its `utask`.
    return unsafe { unshare_is_in_uprobe(_current.as_ptr()) };
    #[cfg(not(CONFIG_UPROBES))]
    false
}

/// The task gives a device work by ENQCMD, with a register that names the address space.
fn has_pasid(_current: &Current) -> bool {
    #[cfg(CONFIG_ARCH_HAS_CPU_PASID)]
    // SAFETY: The task runs, and nobody else changes its `pasid_activated`.
    return unsafe { unshare_has_pasid(_current.as_ptr()) };
    #[cfg(not(CONFIG_ARCH_HAS_CPU_PASID))]
    false
}

/// Tracers write into the address space for the task, by its user_events.
fn has_user_events(_current: &Current) -> bool {
    #[cfg(CONFIG_USER_EVENTS)]
    // SAFETY: The task runs, and nobody else changes its `user_event_mm`.
    return unsafe { unshare_has_user_events(_current.as_ptr()) };
    #[cfg(not(CONFIG_USER_EVENTS))]
    false
}

/// The task has requests under way in io_uring.
///
/// A request that waits for a private futex is queued in the table of the address space in which it was
/// submitted, and is woken and cancelled there, also when that table has been freed. An `execve()`
/// cancels all requests (`io_uring_task_cancel()`), which everyone sees and nobody can undo.
///
/// `inflight` counts a reference for each request, and others in advance, which are `cached_refs`:
/// `io_uring_drop_tctx_refs()` gives those back before the kernel itself looks whether there are any.
/// A request that another task completes is taken off the first number alone. So the difference falls
/// to zero when the last request is freed, and grows only when the task submits one.
fn has_io_uring_requests(_current: &Current) -> bool {
    #[cfg(CONFIG_IO_URING)]
    {
        // SAFETY: The task runs, and nobody else changes its `io_uring`.
        let tctx = unsafe { unshare_io_uring(_current.as_ptr()) };
        if tctx.is_null() {
            return false;
        }
        // SAFETY: The task has it until it ends or calls `execve()`.
        let (references, cached) = unsafe {
            (
                unshare_io_uring_references(tctx),
                unshare_io_uring_cached(tctx),
            )
        };
        references > i64::from(cached)
    }
    #[cfg(not(CONFIG_IO_URING))]
    false
}
