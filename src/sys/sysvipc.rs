// SPDX-License-Identifier: GPL-2.0

//! System V semaphore adjustments and shared memory segments of a task.
//!
//! Without CONFIG_SYSVIPC, the functions do nothing.
//!
//! C headers: [`include/linux/sem.h`](srctree/include/linux/sem.h),
//! [`include/linux/shm.h`](srctree/include/linux/shm.h).

use super::{
    bindings::*,
    task::Current, //
};

/// Returns whether the running task has a list of semaphore adjustments (`sem_undo_list`).
pub(crate) fn has_undo_list(current: &Current) -> bool {
    // SAFETY: Only the running task replaces its undo list.
    unsafe { unshare_has_undo_list(current.as_ptr()) }
}

/// Leaves the task's list of semaphore adjustments. The last user of the list applies them. Mirrors
/// `exit_sem()`, which looks the semaphores up in the task's present IPC namespace.
pub(crate) fn exit_sem(current: &Current) {
    // SAFETY: The running task has an nsproxy.
    #[cfg(CONFIG_SYSVIPC)]
    unsafe {
        unshare_exit_sem(current.as_ptr())
    };
    #[cfg(not(CONFIG_SYSVIPC))]
    let _ = current;
}

/// Disowns the shared memory segments that the task created, so that they outlive it. Mirrors
/// `ksys_unshare()`, which calls `exit_shm()` and then `shm_init_task()`.
pub(crate) fn exit_shm(current: &Current) {
    // SAFETY: `exit_shm()` empties the running task's list, which can then be initialized.
    #[cfg(CONFIG_SYSVIPC)]
    unsafe {
        unshare_exit_shm(current.as_ptr());
        unshare_shm_init_task(current.as_ptr());
    }
    #[cfg(not(CONFIG_SYSVIPC))]
    let _ = current;
}
