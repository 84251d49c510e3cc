// SPDX-License-Identifier: GPL-2.0

//! The memory cgroup to which allocations are charged.
//!
//! C headers: [`include/linux/memcontrol.h`](srctree/include/linux/memcontrol.h),
//! [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h).

use kernel::{
    bindings,
    sync::rcu, //
};

use crate::sys::{
    bindings::{
        unshare_memcg_of,
        unshare_put_memcg,
        unshare_set_active_memcg,
        unshare_tryget_memcg, //
    },
    task::Current, //
};

/// A reference to the memory cgroup of a task, or NULL. The `kernel` crate has no type for one.
///
/// # Invariants
///
/// Owns one reference unless the pointer is NULL.
pub(super) struct MemCgroup(*mut bindings::mem_cgroup);

// SAFETY: Any task may put a reference that another task took.
unsafe impl Send for MemCgroup {}
// SAFETY: A memory cgroup does its own locking.
unsafe impl Sync for MemCgroup {}

impl MemCgroup {
    /// Returns the memory cgroup of the running task, which can differ from that of `mm->owner`.
    ///
    /// Mirrors `get_mem_cgroup_from_current()`.
    pub(super) fn of(current: &Current) -> Self {
        loop {
            let _rcu = rcu::read_lock();
            // SAFETY: Under RCU, the cgroup of the running task is valid until the tryget.
            unsafe {
                let memcg = unshare_memcg_of(current.as_ptr());
                if unshare_tryget_memcg(memcg) {
                    // INVARIANT: The tryget took the reference.
                    return Self(memcg);
                }
            }
        }
    }

    /// Charges the allocations of `act` to this cgroup. Mirrors `set_active_memcg()`.
    pub(super) fn charge<T>(&self, act: impl FnOnce() -> T) -> T {
        // SAFETY: `self` keeps the cgroup valid until the old one is set again.
        let own = unsafe { unshare_set_active_memcg(self.0) };
        let made = act();
        // SAFETY: `own` was the active cgroup, and the code that set it still keeps it valid.
        unsafe { unshare_set_active_memcg(own) };
        made
    }
}

impl Drop for MemCgroup {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `self` owns the reference.
        unsafe { unshare_put_memcg(self.0) };
    }
}
