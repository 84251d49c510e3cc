// SPDX-License-Identifier: GPL-2.0

//! The memory cgroup that allocations are charged to.
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

/// A reference to the memory cgroup of a task, or none. The `kernel` crate has no type for one.
///
/// # Invariants
///
/// Owns one reference unless it is null.
pub(super) struct MemCgroup(*mut bindings::mem_cgroup);

// SAFETY: Any task may put a reference that another one took.
unsafe impl Send for MemCgroup {}
// SAFETY: A memory cgroup has its own locks.
unsafe impl Sync for MemCgroup {}

impl MemCgroup {
    /// Returns that of the running task: not always that of its mm, which is the owner's.
    ///
    /// Mirrors `get_mem_cgroup_from_current()`.
    pub(super) fn of(current: &Current) -> Self {
        loop {
            let _rcu = rcu::read_lock();
            // SAFETY: The task runs. Under RCU, its cgroup stays until a reference is taken or refused.
            unsafe {
                let memcg = unshare_memcg_of(current.as_ptr());
                if unshare_tryget_memcg(memcg) {
                    // INVARIANT: The function has taken the reference.
                    return Self(memcg);
                }
            }
        }
    }

    /// Charges to it what the running task allocates in `act`.
    pub(super) fn charge<T>(&self, act: impl FnOnce() -> T) -> T {
        // SAFETY: `self` keeps the cgroup until the one of before is set again.
        let own = unsafe { unshare_set_active_memcg(self.0) };
        let made = act();
        // SAFETY: The function returned this one, whose owner outlives the inner scope.
        unsafe { unshare_set_active_memcg(own) };
        made
    }
}

impl Drop for MemCgroup {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the reference is ours to give back.
        unsafe { unshare_put_memcg(self.0) };
    }
}
