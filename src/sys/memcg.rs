// SPDX-License-Identifier: GPL-2.0

//! The memory cgroup that allocations are charged to.
//!
//! C headers: [`include/linux/memcontrol.h`](srctree/include/linux/memcontrol.h),
//! [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h).

use kernel::bindings;

use super::{
    bindings::{
        unshare_get_current_memcg,
        unshare_put_memcg,
        unshare_set_active_memcg, //
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
    /// Returns that of the running task.
    pub(super) fn of(_current: &Current) -> Self {
        // INVARIANT: The function takes the reference.
        // SAFETY: The function looks at the running task.
        Self(unsafe { unshare_get_current_memcg() })
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
