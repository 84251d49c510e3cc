// SPDX-License-Identifier: GPL-2.0

//! The first state: a copy of the running task's address space that no task uses.

use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    mm::MmWithUser,
    prelude::*,
    sync::aref::ARef,
    types::NotThreadSafe, //
};

use super::fields;
use crate::sys::{
    bindings::*,
    task::Current, //
};

/// A copy of the running task's address space.
///
/// Dropping it clears `mm->owner` before the put, as `dup_mm()` does under `free_pt:`. Another
/// holder of a reference (a userfaultfd that got the fork event, a registered uprobe) could
/// otherwise look up the memory cgroup through an owner that has been freed.
///
/// # Invariants
///
/// No task runs in the copy, and `mm_update_next_owner()` has never been called for it.
pub(crate) struct Copied(ARef<MmWithUser>);

impl Copied {
    /// Copies the address space, as fork(2) would. Mirrors `dup_mm()`. Fails with the errors of
    /// `dup_mmap()`, and with `ENOMEM`.
    pub(crate) fn dup(current: &Current) -> Result<Self> {
        // SAFETY: A task that calls an ioctl has an address space.
        let oldmm = unsafe { unshare_task_mm(current.as_ptr()) };
        let half = HalfCopied {
            copy: Self::alloc()?,
            _no_uprobes: NoNewUprobes::begin(),
        };
        let mm = half.copy.0.as_raw();
        // SAFETY: No task uses `mm`, and the running task uses `oldmm`.
        unsafe {
            fields::copy(mm, oldmm);
            to_result(unshare_dup_mmap(mm, oldmm))?;
        }
        let HalfCopied { copy, _no_uprobes } = half;
        drop(_no_uprobes);
        // SAFETY: As above. An address space keeps its binfmt's module loaded.
        unsafe {
            unshare_begin_hiwater_rss(mm);
            unshare_begin_hiwater_vm(mm);
            let binfmt = unshare_binfmt(oldmm);
            if !binfmt.is_null() {
                if !unshare_get_binfmt(binfmt) {
                    return Err(ENOMEM);
                }
                unshare_assign_binfmt(mm, binfmt);
            }
        }
        Ok(copy)
    }

    /// Allocates an empty address space, whose owner is the running task.
    fn alloc() -> Result<Self> {
        // SAFETY: `CLONE_VM` is offered only if the function was found.
        let mm = NonNull::new(unsafe { unshare_mm_alloc() }).ok_or(ENOMEM)?;
        // SAFETY: A new address space has one user, and `MmWithUser` is a transparent wrapper.
        // INVARIANT: Nobody else knows the address space.
        Ok(Self(unsafe { ARef::from_raw(mm.cast()) }))
    }

    /// Returns the address space for a task to run in. It keeps its owner.
    pub(super) fn into_used(self) -> ARef<MmWithUser> {
        let this = ManuallyDrop::new(self);
        // SAFETY: The reference moves out of `this`, which is neither used nor dropped afterwards.
        unsafe { core::ptr::read(&this.0) }
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        #[cfg(CONFIG_MEMCG)]
        // SAFETY: The reference keeps it valid. Other tasks read the owner at any time.
        unsafe {
            unshare_clear_owner(self.0.as_raw())
        };
    }
}

/// A copy that may be incomplete. The fields are dropped in order: if uprobes could be registered
/// while the copy still exists, a registration would access its incomplete mappings.
struct HalfCopied {
    copy: Copied,
    _no_uprobes: NoNewUprobes,
}

/// Prevents uprobe registrations, so that the copy gets the breakpoints of the old address space.
/// Mirrors `uprobe_start_dup_mmap()` and, when dropped, `uprobe_end_dup_mmap()`.
struct NoNewUprobes(NotThreadSafe);

impl NoNewUprobes {
    fn begin() -> Self {
        #[cfg(CONFIG_UPROBES)]
        // SAFETY: No lock is held.
        unsafe {
            unshare_uprobe_start_dup_mmap()
        };
        Self(NotThreadSafe)
    }
}

#[cfg(CONFIG_UPROBES)]
impl Drop for NoNewUprobes {
    fn drop(&mut self) {
        // SAFETY: `begin` has made the other call, on the same task.
        unsafe { unshare_uprobe_end_dup_mmap() };
    }
}
