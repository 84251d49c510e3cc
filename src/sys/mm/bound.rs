// SPDX-License-Identifier: GPL-2.0

//! Whether something else refers to the address space of the running task.

use crate::sys::{
    bindings::*,
    task::Current, //
};

/// Returns whether the task would still depend on the old address space after leaving it.
///
/// Only the task itself starts and ends such a dependency, except that other tasks may complete its
/// io_uring requests. So an answer of `false` holds until the task returns to user space.
pub(crate) fn is_bound(current: &Current) -> bool {
    is_in_uprobe(current)
        || has_pasid(current)
        || has_user_events(current)
        || has_io_uring_requests(current)
}

/// The task single-steps in the page of uprobes, or will return through it. No copy has that page.
fn is_in_uprobe(_current: &Current) -> bool {
    #[cfg(CONFIG_UPROBES)]
    // SAFETY: Only the running task changes its `utask`.
    return unsafe { unshare_is_in_uprobe(_current.as_ptr()) };
    #[cfg(not(CONFIG_UPROBES))]
    false
}

/// The task submits work to a device by ENQCMD, with a PASID that names the old address space.
fn has_pasid(_current: &Current) -> bool {
    #[cfg(CONFIG_ARCH_HAS_CPU_PASID)]
    // SAFETY: Only the running task changes its `pasid_activated`.
    return unsafe { unshare_has_pasid(_current.as_ptr()) };
    #[cfg(not(CONFIG_ARCH_HAS_CPU_PASID))]
    false
}

/// Enabling or disabling a user_event that the task registered writes to the old address space.
fn has_user_events(_current: &Current) -> bool {
    #[cfg(CONFIG_USER_EVENTS)]
    // SAFETY: Only the running task changes its `user_event_mm`.
    return unsafe { unshare_has_user_events(_current.as_ptr()) };
    #[cfg(not(CONFIG_USER_EVENTS))]
    false
}

/// The task has io_uring requests in flight.
///
/// A request that waits on a private futex is queued in the hash table of the address space in
/// which it was submitted. It is woken and cancelled there, even if that table has been freed.
/// execve(2) cancels all requests (`io_uring_task_cancel()`), which other tasks see.
///
/// `inflight` counts a reference for each request, and the references that the task has taken in
/// advance, `cached_refs`. (`io_uring_drop_tctx_refs()` returns those before the kernel checks for
/// requests.) When another task completes a request, it decreases only `inflight`. So the
/// difference is zero when the last request is freed, and grows only when the task submits one.
fn has_io_uring_requests(_current: &Current) -> bool {
    #[cfg(CONFIG_IO_URING)]
    {
        // SAFETY: Only the running task changes its `io_uring`.
        let tctx = unsafe { unshare_io_uring(_current.as_ptr()) };
        if tctx.is_null() {
            return false;
        }
        // SAFETY: The task keeps it until it exits or calls execve(2).
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
