// SPDX-License-Identifier: GPL-2.0

//! The first state: a copy of an address space that no task has.

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
/// When dropped, it forgets the task before it is put, as `dup_mm()` does under `free_pt:`. Somebody
/// else may have a reference (a userfaultfd that was told of the fork, a uprobe that is registered) and
/// look up the memory cgroup by the owner, when that task has long been freed.
///
/// # Invariants
///
/// No task runs in it, and `mm_update_next_owner()` has never been called for it.
pub(crate) struct Copied(ARef<MmWithUser>);

impl Copied {
    /// Copies the address space, as `fork()` would at this moment. Mirrors `dup_mm()`.
    ///
    /// Fails with the errors of `dup_mmap()`, and with `ENOMEM`.
    pub(crate) fn dup(current: &Current) -> Result<Self> {
        // SAFETY: The task runs, and has an address space, since an ioctl came from there.
        let oldmm = unsafe { unshare_task_mm(current.as_ptr()) };
        let half = HalfCopied {
            copy: Self::alloc()?,
            _no_uprobes: NoNewUprobes::begin(),
        };
        let mm = half.copy.0.as_raw();
        // SAFETY: `mm` is new, and the task keeps `oldmm` in use.
        unsafe {
            fields::copy(mm, oldmm);
            to_result(unshare_dup_mmap(mm, oldmm))?;
        }
        let HalfCopied { copy, _no_uprobes } = half;
        drop(_no_uprobes);
        // SAFETY: As above; a format is in use as long as an address space has it.
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

    /// Makes an empty one. Its owner is the running task.
    fn alloc() -> Result<Self> {
        // SAFETY: Reached only where the kernel's function was found.
        let mm = NonNull::new(unsafe { unshare_mm_alloc() }).ok_or(ENOMEM)?;
        // SAFETY: A new address space has one user, which is this value; `MmWithUser` is one in C.
        // INVARIANT: Nobody else knows of it.
        Ok(Self(unsafe { ARef::from_raw(mm.cast()) }))
    }

    /// Returns the address space, which a task is about to run in, and so it keeps its owner.
    pub(super) fn into_used(self) -> ARef<MmWithUser> {
        let this = ManuallyDrop::new(self);
        // SAFETY: The reference moves out of `this`, which is not used or dropped afterwards.
        unsafe { core::ptr::read(&this.0) }
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        #[cfg(CONFIG_MEMCG)]
        // SAFETY: The reference keeps it valid. Others read the owner at any time.
        unsafe {
            unshare_clear_owner(self.0.as_raw())
        };
    }
}

/// A copy of which not all may be there. The fields are dropped in this order: a registration that found
/// one would look into mappings that are half set up.
struct HalfCopied {
    copy: Copied,
    _no_uprobes: NoNewUprobes,
}

/// While it exists, nobody registers a uprobe: all copies of a page get the same breakpoints.
///
/// Mirrors `uprobe_start_dup_mmap()` and `uprobe_end_dup_mmap()`.
struct NoNewUprobes(NotThreadSafe);

impl NoNewUprobes {
    fn begin() -> Self {
        #[cfg(CONFIG_UPROBES)]
        // SAFETY: The task runs, and nothing is locked.
        unsafe {
            unshare_uprobe_start_dup_mmap()
        };
        Self(NotThreadSafe)
    }
}

#[cfg(CONFIG_UPROBES)]
impl Drop for NoNewUprobes {
    fn drop(&mut self) {
        // SAFETY: The value exists only between the two calls, and on the task that made it.
        unsafe { unshare_uprobe_end_dup_mmap() };
    }
}
