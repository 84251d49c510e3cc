// SPDX-License-Identifier: GPL-2.0

//! Whether a task is between two changes of its context, so that references do not belong together.
//!
//! A system call changes namespaces, credentials, root and working directory of a task one after
//! the other. A reader in between would get some of the old ones and some of the new ones. Only
//! unshare(2) and setns(2) change more than one of them. (clone(2) changes only the child, before
//! any task can find it. execve(2) changes the nsproxy, and the credentials while it holds
//! `exec_update_lock` for writing. pivot_root(2) changes each `fs_struct` under its lock. chroot(2) and chdir(2) are two system calls, with a valid state
//! between them.) The commit of this module needs no check: it holds the task's `exec_update_lock`
//! for writing from its first change to its last, or changes everything in one `task_lock` section
//! (`Prepared::commit`), and [`super::access`] holds `exec_update_lock` for reading.
//!
//! So the references belong together if the task was in neither system call. The number of the
//! system call is in the registers that the task saved when it entered the kernel.
//!
//! # Proof
//!
//! Let the task change its context in a system call X. It stores, in program order: S0, the number
//! of X; then the changes; then S1, another number, when it enters the kernel again. We hold its
//! `task_lock`, and the lock of its `fs_struct` if paths are wanted, and read: P, all that these
//! locks guard; c1, the credentials; R, the number; c2, the credentials again. Read barriers
//! separate P, c1, R and c2. The check passes if R is neither unshare(2) nor setns(2), and c1
//! equals c2.
//!
//! 1. If P has a change from a section under one of the locks, that section came before ours. So
//!    did S0, and R sees S0 or a later number. S0 fails the check, so R sees S1.
//! 2. If R sees S1, all locked sections of X came before ours: a section after ours would precede
//!    S1, and R could not see S1. So P has all changes of X that are made under the locks.
//! 3. If c1 are the new credentials, R sees S0 or a later number, because `commit_creds()`
//!    publishes them by a release store, and a read barrier follows c1. By 1 and 2, P has all of X.
//! 4. If R sees S1 and c1 are the old credentials, c2 differ from c1. After `commit_creds()` has
//!    published the new credentials and before S1, it puts the old ones by an atomic operation that
//!    returns a value, which is a full barrier. A read barrier precedes c2, so c2 are the new
//!    credentials or later ones. The memory of c1 is not reused in one RCU section, and no task
//!    commits the same credentials twice.
//! 5. If R sees a number from before S0, then by 1 and 3, P and c1 have nothing of X.
//!
//! So P and c1 have all of each X, or nothing of it.
//!
//! # What the saved registers do not tell
//!
//! - An interrupt or a fault in the kernel does not change them. A tracer changes them only while
//!   the task is stopped, which never happens between two changes.
//! - A task in user mode still has the number of its last system call. The check then fails
//!   needlessly, and [`super::patience`] makes the task enter the kernel again.
//! - A stopped or exiting task changes nothing, whatever the number. Its state is read after the
//!   number and before c2. The task stores it after the barrier of 4, or before the first change.
//! - A sleeping task may be between two changes: setns(2) changes the root, then the working
//!   directory, and in between `path_put()` may sleep, killably, for a network file system.
//! - A 32-bit program has other numbers. The flag for that is stored after S0 and before the first
//!   change, and cleared after the last one. So it is read after the number and before c2.
//!
//! # Tasks that share the `fs_struct`
//!
//! unshare(2) never moves a shared `fs_struct`, except as below, and setns(2) of 7.3 refuses one. setns(2) of 7.2
//! refuses it only if the mount namespace is the only one that is requested. Otherwise it moves root
//! and working directory of all tasks that share the `fs_struct`, in two locked sections, and P may
//! be between them. So in 7.2, R is read for each of these tasks, and must not be setns(2). Our lock of the `fs_struct` keeps the second section out: such a
//! task is still inside the system call, and no proof of S1 is needed. A task that still has the
//! pointer has its stack, because it has not been through `exit_fs()`, which takes this lock.
//!
//! In 7.3, when PID 1 stops using its `fs_struct`, it moves root and working directory of that to
//! the root of nullfs, one after the other (`validate_fs_switch()`). A task that shares the
//! `fs_struct` can make the state in between permanent, by an fchdir(2) afterwards. Attaching with
//! the directories of such a task fails with `EBUSY`, as if its change never ended.

use kernel::{
    bindings,
    task::Task, //
};

use super::locks::{
    OtherFs,
    OtherTask, //
};
use crate::sys::bindings::*;

/// Returns whether `locked`, or a sharer of `fs`, may be between two changes. Reads R of the proof.
pub(super) fn is_changing(locked: &OtherTask<'_>, fs: Option<&OtherFs<'_>>) -> bool {
    read_barrier();
    let task = locked.task.as_ptr();
    // SAFETY: By the type invariant of `locked`, the task is valid and has its stack.
    let changing = unsafe { is_in_call(task, &[UNSHARE, SETNS]) }
        || fs.is_some_and(|fs| sharer_is_changing(fs) || fs.is_half_left());
    read_barrier();
    changing
}

/// Mirrors `smp_rmb()`. The `kernel` crate has a different name for it in each series.
fn read_barrier() {
    // SAFETY: A barrier has no requirements.
    unsafe { unshare_smp_rmb() };
}

/// Flags of tasks that make no system call, or no further one. The saved registers of a kernel
/// thread, or of an io_uring or vhost worker, are not those of a system call.
const NO_CALLS: u32 = bindings::PF_EXITING | bindings::PF_KTHREAD | bindings::PF_USER_WORKER;

/// The number of a system call, in a native and in a 32-bit program.
struct Call {
    native: i32,
    compat: i32,
}

const UNSHARE: Call = Call {
    native: unshare_number_UNSHARE_NR_unshare as i32,
    compat: unshare_number_UNSHARE_NR_compat_unshare as i32,
};
const SETNS: Call = Call {
    native: unshare_number_UNSHARE_NR_setns as i32,
    compat: unshare_number_UNSHARE_NR_compat_setns as i32,
};

/// Returns whether the task is in one of these system calls.
///
/// # Safety
///
/// The task must be valid and have its stack.
unsafe fn is_in_call(task: *mut bindings::task_struct, calls: &[Call]) -> bool {
    // The running task is in an ioctl.
    if task == Task::current_raw() {
        return false;
    }
    // SAFETY: By the safety requirements.
    let number = unsafe { unshare_syscall_of(task) };
    read_barrier();
    // SAFETY: As above.
    let is_compat = unsafe { unshare_is_compat(task) };
    let is_it = |call: &Call| number == if is_compat { call.compat } else { call.native };
    let changes = calls.iter().any(is_it);
    // SAFETY: As above.
    changes && unsafe { unshare_flags_of(task) & NO_CALLS == 0 && !unshare_is_stopped(task) }
}

/// Returns whether another user of the `fs_struct` is in a setns(2) that can move it, and interrupts that
/// task, as [`super::patience`] does the target. Searches all tasks until it has found each user.
fn sharer_is_changing(fs: &OtherFs<'_>) -> bool {
    let mut left = fs.users().wrapping_sub(1);
    if unshare_series_UNSHARE_SETNS_MOVES_SHARERS == 0 || left <= 0 {
        return false;
    }
    // SAFETY: `init_task` is never freed.
    let first = unsafe { unshare_first_process() };
    let mut process = first;
    loop {
        // SAFETY: `fs.holder` holds the RCU read lock, which keeps the tasks in the lists valid.
        process = unsafe { unshare_next_process(process) };
        if process == first {
            return false;
        }
        let mut task = process;
        while !task.is_null() {
            // SAFETY: As above.
            if fs.is_of(unsafe { unshare_peek_fs(task) }) {
                // SAFETY: A task with this pointer has its stack (see the top of this file).
                if task != fs.holder.task.as_ptr() && unsafe { is_in_call(task, &[SETNS]) } {
                    // SAFETY: As above.
                    unsafe { bindings::kick_process(task) };
                    return true;
                }
                left = left.wrapping_sub(1);
                if left < 0 {
                    return false;
                }
            }
            // SAFETY: As above.
            task = unsafe { unshare_next_thread(task) };
        }
    }
}
