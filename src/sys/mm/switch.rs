// SPDX-License-Identifier: GPL-2.0

//! The last states: the task runs in the copy, and the old address space is put.

use core::ptr::NonNull;
use kernel::{
    bindings::mm_struct,
    mm::MmWithUser,
    sync::aref::ARef,
    types::NotThreadSafe, //
};

use super::{
    cid::WithoutCid,
    leave::Left,
    uprobes, //
};
use crate::sys::{
    arch,
    bindings::*,
    task::{
        Current,
        TaskLock, //
    },
};

/// The address space that the running task has left, while the task has no concurrency id.
///
/// The fields are dropped in order. Must not be dropped under a spinlock.
pub(crate) struct Switched<'a> {
    without_cid: WithoutCid<'a>,
    released: Released<'a>,
}

impl<'a> Left<'a> {
    /// Switches the task to the copy. Mirrors `exec_mmap()` from `task_lock` on. Differences:
    /// - `mmap_lock` of the old address space is not held. `exec_mmap()` and `exit_mm()` hold it
    ///   because a core dump used to search all tasks for users of the address space.
    ///   `zap_threads()` now visits one thread group. A task that follows another task's `mm` holds
    ///   `task_lock`.
    /// - `membarrier_state` of the new address space is not cleared: the registrations are copied.
    pub(crate) fn switch(self, lock: &mut TaskLock<'_>) -> Switched<'a> {
        let Self {
            current,
            without_cid,
            copy,
        } = self;
        let task = lock.as_ptr();
        let copy = copy.into_used();
        let new = copy.as_raw();
        // SAFETY: The task is locked. Its reference to the old address space and the reference of
        // `copy` to the new one are exchanged. This module holds no pointer into user memory.
        unsafe {
            let old = unshare_task_mm(task);
            // Copy the bits of /proc/PID/coredump_filter again, which may have been written since.
            // The writer finds the address space under `task_lock`. If it found the old one earlier
            // and stores the bits after this line, they are lost, as at an execve(2).
            unshare_copy_dump_filter(new, old);
            keep_mdwe(new, old);
            // For membarrier(2), between the last access to user memory and the store to `mm`, as in
            // `membarrier_exec_mmap()` and `kthread_unuse_mm()`.
            unshare_smp_mb();
            let irqs_off = IrqsOff::new();
            unshare_set_active_mm(task, new);
            unshare_set_task_mm(task, new);
            // The tasks that stay keep the cache group of the old address space. So remove the
            // task's footprint from it, as `exit_mm()` does. `exec_mmap()` does not.
            #[cfg(CONFIG_SCHED_CACHE)]
            unshare_sched_cache_exit_mm(task);
            #[cfg(CONFIG_SCHED_CACHE)]
            unshare_sched_cache_exec_mmap(task, new);
            // Again, because `mm_update_cpus_allowed()` skips an address space without users: an
            // affinity that the task was given since `mm_alloc()` is missing there.
            #[cfg(CONFIG_SCHED_MM_CID)]
            unshare_mm_init_cid(new, task);
            #[cfg(CONFIG_MEMBARRIER)]
            unshare_membarrier_update_current_mm(new);
            arch::switch_mm(old, new, task);
            drop(irqs_off);
            // For membarrier(2), between the store to `mm` and user accesses, as in
            // `kthread_use_mm()`.
            unshare_smp_mb();
            #[cfg(CONFIG_LRU_GEN_WALKS_MMU)]
            unshare_lru_gen_add_mm(new);
            unshare_lru_gen_use_mm(new);

            // The task owns this reference now.
            let _ = ARef::into_raw(copy);
            Switched {
                without_cid,
                released: Released {
                    current,
                    // The task's reference moves to this value.
                    old: ARef::from_raw(NonNull::new_unchecked(old).cast()),
                },
            }
        }
    }
}

impl<'a> Switched<'a> {
    /// Gives the task a concurrency id, so the caller must have released `task_lock`. Then resets
    /// the task's NUMA fault counts, as `bprm_execve()` does: they are no longer part of the
    /// footprint of the old address space.
    pub(crate) fn settle(self) -> Released<'a> {
        let Self {
            without_cid,
            released,
        } = self;
        drop(without_cid);
        #[cfg(CONFIG_NUMA_BALANCING)]
        // SAFETY: No spinlock is held, and only the running task changes its counts.
        unsafe {
            unshare_task_numa_free(released.current.as_ptr(), false)
        };
        released
    }
}

/// The address space that the running task has left.
///
/// Dropping it wakes the parent of a vfork child, sets the breakpoints that the copy lacks, updates
/// the accounts of the old address space, and puts it. Mirrors `complete_vfork_done()` and
/// `exec_mm_put_old()`. The parent wakes first: to set breakpoints, the task waits for the copy's
/// `mmap_lock`, whose holder may be waiting for the parent.
pub(crate) struct Released<'a> {
    current: &'a Current,
    old: ARef<MmWithUser>,
}

impl Drop for Released<'_> {
    fn drop(&mut self) {
        complete_vfork(self.current);
        uprobes::install_again(self.current);
        // SAFETY: The running task's reference keeps the old address space in use.
        unsafe {
            unshare_note_maxrss(self.current.as_ptr(), self.old.as_raw());
            #[cfg(CONFIG_MEMCG)]
            unshare_mm_update_next_owner(self.old.as_raw());
        }
    }
}

/// Copies the flags of PR_SET_MDWE to the new address space.
///
/// A fork drops them after PR_MDWE_NO_INHERIT, and so does `mm_init()`. The task is not a child, and keeps them.
/// A task that shares the old address space may also have set them since `mm_init()`.
///
/// # Safety
///
/// Both address spaces must have a user.
unsafe fn keep_mdwe(new: *mut mm_struct, old: *mut mm_struct) {
    // SAFETY: As the caller promises.
    unsafe {
        // Read in the opposite order of prctl(2), which sets this one first.
        let is_set = unshare_has_mdwe(old);
        unshare_smp_rmb();
        if is_set && unshare_has_mdwe_no_inherit(old) {
            unshare_set_mdwe_no_inherit(new);
        }
        if is_set {
            unshare_set_mdwe(new);
        }
    }
}

/// Wakes the parent that waits for a vfork child. Mirrors `complete_vfork_done()`.
fn complete_vfork(current: &Current) {
    let mut lock = current.lock();
    let task = lock.as_ptr();
    // SAFETY: The task is locked. A parent that stops waiting takes the lock to reset `vfork_done`.
    unsafe {
        let vfork = unshare_vfork_done(task);
        if !vfork.is_null() {
            unshare_reset_vfork_done(task);
            kernel::bindings::complete(vfork);
        }
    }
}

/// Interrupts are off on this CPU. The `kernel` crate has no guard for that alone.
struct IrqsOff(NotThreadSafe);

impl IrqsOff {
    fn new() -> Self {
        // SAFETY: Interrupts are on: no lock that disables them is held.
        unsafe { unshare_irqs_off() };
        Self(NotThreadSafe)
    }
}

impl Drop for IrqsOff {
    fn drop(&mut self) {
        // SAFETY: The value exists only while interrupts are off, and so stays on its CPU.
        unsafe { unshare_irqs_on() };
    }
}
