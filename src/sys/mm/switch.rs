// SPDX-License-Identifier: GPL-2.0

//! The last states: the task runs in the copy, and the old address space is released.

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
/// The fields are dropped in the order in which they stand. Must not be dropped under a spinlock.
pub(crate) struct Switched<'a> {
    without_cid: WithoutCid<'a>,
    released: Released<'a>,
}

impl<'a> Left<'a> {
    /// Moves the task into the copy. Mirrors `exec_mmap()`, from `task_lock` on.
    ///
    /// Differs from it in two points:
    /// - `mmap_lock` of the old address space is not held. `exec_mmap()` and `exit_mm()` hold it since a
    ///   core dump went through all tasks of an address space; now `zap_threads()` goes through those of
    ///   one thread group. Who finds this task by another way reads `mm` under `task_lock`.
    /// - `membarrier_state` of the new address space is not cleared, as the registrations are copied.
    pub(crate) fn switch(self, lock: &mut TaskLock<'_>) -> Switched<'a> {
        let Self {
            current,
            without_cid,
            copy,
        } = self;
        let task = lock.as_ptr();
        let copy = copy.into_used();
        let new = copy.as_raw();
        // SAFETY: The task is locked, and is a user of its address space as `copy` is of the new one: the
        // two references change hands. This module holds no pointer into user memory.
        unsafe {
            let old = unshare_task_mm(task);
            // Again: /proc/PID/coredump_filter may have been written since the copy was made. Its writer
            // finds the address space under `task_lock`. If it has found the old one before this line and
            // stores the bits after it, they are lost, as at an `execve()`.
            unshare_copy_dump_filter(new, old);
            keep_mdwe(new, old);
            // For membarrier(2), between the last access to user memory and the store to `mm`, as in
            // `membarrier_exec_mmap()` and `kthread_unuse_mm()`.
            unshare_smp_mb();
            let irqs_off = IrqsOff::new();
            unshare_set_active_mm(task, new);
            unshare_set_task_mm(task, new);
            // The group of the old address space stays with the sharers, so the task's footprint is taken
            // off it, as in `exit_mm()`. `exec_mmap()` does not do so.
            #[cfg(CONFIG_SCHED_CACHE)]
            unshare_sched_cache_exit_mm(task);
            #[cfg(CONFIG_SCHED_CACHE)]
            unshare_sched_cache_exec_mmap(task, new);
            // Again: an affinity that the task was given since `mm_alloc()` was not noted there, because
            // `mm_update_cpus_allowed()` skips an address space without users.
            #[cfg(CONFIG_SCHED_MM_CID)]
            unshare_mm_init_cid(new, task);
            #[cfg(CONFIG_MEMBARRIER)]
            unshare_membarrier_update_current_mm(new);
            arch::switch_mm(old, new, task);
            drop(irqs_off);
            // For membarrier(2), between the store to `mm` and the first access to user memory, as in
            // `kthread_use_mm()`.
            unshare_smp_mb();
            #[cfg(CONFIG_LRU_GEN_WALKS_MMU)]
            unshare_lru_gen_add_mm(new);
            unshare_lru_gen_use_mm(new);

            // The task owns this one now.
            let _ = ARef::into_raw(copy);
            Switched {
                without_cid,
                released: Released {
                    current,
                    // The task had an address space, and its reference goes to this value.
                    old: ARef::from_raw(NonNull::new_unchecked(old).cast()),
                },
            }
        }
    }
}

impl<'a> Switched<'a> {
    /// Gives the task a concurrency id, which needs `task_lock` to have been released. Then resets its
    /// counts of NUMA faults, as `bprm_execve()` does: the switch has taken them off the footprint of the
    /// old address space.
    pub(crate) fn settle(self) -> Released<'a> {
        let Self {
            without_cid,
            released,
        } = self;
        drop(without_cid);
        #[cfg(CONFIG_NUMA_BALANCING)]
        // SAFETY: The task runs, with no spinlock held, and only the task itself changes these counts.
        unsafe {
            unshare_task_numa_free(released.current.as_ptr(), false)
        };
        released
    }
}

/// The address space that the running task has left.
///
/// When dropped, the parent of a vfork child wakes, breakpoints that the copy lacks are set, the accounts
/// of the old address space are settled, and it is put. Mirrors `complete_vfork_done()` and
/// `exec_mm_put_old()`. The parent wakes first: to set breakpoints, the task waits for the `mmap_lock` of
/// the copy, and a task that holds it may itself be waiting for the parent.
pub(crate) struct Released<'a> {
    current: &'a Current,
    old: ARef<MmWithUser>,
}

impl Drop for Released<'_> {
    fn drop(&mut self) {
        complete_vfork(self.current);
        uprobes::install_again(self.current);
        // SAFETY: The task runs, and the reference keeps the old address space in use.
        unsafe {
            unshare_note_maxrss(self.current.as_ptr(), self.old.as_raw());
            #[cfg(CONFIG_MEMCG)]
            unshare_mm_update_next_owner(self.old.as_raw());
        }
    }
}

/// Has the new address space refuse what PR_SET_MDWE has the old one refuse.
///
/// `mm_init()` has copied the flag, but not if it came with PR_MDWE_NO_INHERIT, which keeps it from children:
/// the task is no child. And since then a sharer may have set it.
///
/// # Safety
///
/// Both must have a user.
unsafe fn keep_mdwe(new: *mut mm_struct, old: *mut mm_struct) {
    // SAFETY: As the caller promises.
    unsafe {
        if unshare_has_mdwe(old) {
            unshare_set_mdwe(new);
        }
        if unshare_has_mdwe_no_inherit(old) {
            unshare_set_mdwe_no_inherit(new);
        }
    }
}

/// Wakes the parent that waits for a vfork child. Mirrors `complete_vfork_done()`.
fn complete_vfork(current: &Current) {
    let mut lock = current.lock();
    let task = lock.as_ptr();
    // SAFETY: The task is locked, so that a parent that gives up waits for the lock first.
    unsafe {
        let vfork = unshare_vfork_done(task);
        if !vfork.is_null() {
            unshare_reset_vfork_done(task);
            kernel::bindings::complete(vfork);
        }
    }
}

/// Interrupts of this processor are off. The `kernel` crate has no guard for them alone.
struct IrqsOff(NotThreadSafe);

impl IrqsOff {
    fn new() -> Self {
        // SAFETY: They are on: this is called with no lock held that turns them off.
        unsafe { unshare_irqs_off() };
        Self(NotThreadSafe)
    }
}

impl Drop for IrqsOff {
    fn drop(&mut self) {
        // SAFETY: The value exists only while they are off, and stays on its processor.
        unsafe { unshare_irqs_on() };
    }
}
