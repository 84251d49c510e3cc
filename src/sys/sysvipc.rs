// SPDX-License-Identifier: GPL-2.0

//! What a task holds of System V semaphores and shared memory.
//!
//! Without System V IPC there is nothing to leave, and the functions are not there.
//!
//! C headers: [`include/linux/sem.h`](srctree/include/linux/sem.h),
//! [`include/linux/shm.h`](srctree/include/linux/shm.h).

use super::{
    bindings::*,
    task::Current, //
};

/// Returns whether the running task has a list of semaphore adjustments.
pub(crate) fn has_undo_list(current: &Current) -> bool {
    // SAFETY: Only the task itself replaces its undo list.
    unsafe { unshare_has_undo_list(current.as_ptr()) }
}

/// Leaves the list of semaphore adjustments; its last user applies them.
///
/// Mirrors `exit_sem()`. The semaphores are looked up in the IPC namespace that the task is in.
pub(crate) fn exit_sem(current: &Current) {
    // SAFETY: The task runs, and is in its namespaces.
    #[cfg(CONFIG_SYSVIPC)]
    unsafe {
        unshare_exit_sem(current.as_ptr())
    };
    #[cfg(not(CONFIG_SYSVIPC))]
    let _ = current;
}

/// Disowns the shared memory segments that the task made, which outlive it then.
///
/// Mirrors `exit_shm()` and `shm_init_task()`, as `ksys_unshare()` calls them.
pub(crate) fn exit_shm(current: &Current) {
    // SAFETY: The task runs; once it has left its list, that is empty and no one else's.
    #[cfg(CONFIG_SYSVIPC)]
    unsafe {
        unshare_exit_shm(current.as_ptr());
        unshare_shm_init_task(current.as_ptr());
    }
    #[cfg(not(CONFIG_SYSVIPC))]
    let _ = current;
}
