// SPDX-License-Identifier: GPL-2.0

//! Whether what was pinned of a task belongs together.
//!
//! A task changes its namespaces, its credentials, its root and its working directory one after the
//! other, in one system call. A reader in between would get some of the old and some of the new. Only
//! two system calls change more than one of these: unshare(2) and setns(2). (clone(2) changes only
//! the child, before anybody can find it. execve(2) changes the nsproxy at most. pivot_root(2)
//! changes each `fs_struct` under its lock. chroot(2) and chdir(2) are two calls, so two states.) The
//! third is the commit of this module: it holds the task's `exec_update_lock` for writing from its
//! first change to its last, or changes everything in one section of `task_lock`
//! (`Prepared::commit`), and [`super::access`] holds that lock for reading.
//!
//! So what was pinned belongs together if the task was in neither call. The number of the call is in
//! the registers that the task saved when it entered the kernel.
//!
//! # Proof
//!
//! Let the target change its context in a call X. Its stores, in the order of its program: S0, the
//! number of X; the changes; and S1, another number, when it enters the kernel the next time. Our
//! reads, with the target's `task_lock` held, and the lock of its `fs_struct` when a path is wanted:
//! P, all that is under these locks; c1, the credentials; R, the number; c2, the credentials again.
//! Between P, c1, R and c2 there are read barriers. R is no number of such a call, and c1 is c2.
//!
//! 1. A change under one of the locks that P sees was made in a section before ours, so S0 came
//!    before it and R sees S0 or a later number. S0 itself would be refused, so R sees S1.
//! 2. R sees S1: then each section of X was before ours. A later one begins after the end of ours,
//!    and S1 comes after it, so R could not see S1. P has all changes of X that are under locks.
//! 3. c1 is the new one: `commit_creds()` publishes it by a release store and c1 is followed by a
//!    read barrier, so R sees S0 or later; by 1 and 2, P has all of X.
//! 4. R sees S1 and c1 is still the old one: `commit_creds()` puts the old credentials by an atomic
//!    operation that returns a value, a full barrier, after it has published the new ones and before
//!    S1. So c2, after a read barrier, is the new one, or one that came later. c1 is not c2: the
//!    memory of c1 is not used again in one RCU section, and no task commits the same again.
//! 5. R sees a number from before S0: then by 1 and 3, P and c1 have nothing of X.
//!
//! So P and c1 have all of each X, or nothing of it.
//!
//! An interrupt or a fault does not change the saved registers while the task is in the kernel, and
//! a tracer changes them only while the task is stopped, which it is never between two changes. A task in
//! user mode still has the number of its last call: that is a refusal too many, and
//! [`super::patience`] has the task enter the kernel again. A task that is stopped, or exits, makes
//! no such change any more, or not yet, though the number may say so; the words that tell are read after
//! the number and before c2, and stored after the full barrier of 4 or before the first change. A task that sleeps is not at rest: in
//! setns(2), between root and working directory, `path_put()` may wait for the server of a network file
//! system, in a killable sleep.
//!
//! A program of 32 bits has other numbers. The bit that says so is stored after S0, before the first
//! change, and cleared after the last one, so it is read after the number, before c2.
//!
//! # Tasks that share the `fs_struct`
//!
//! setns(2) of 7.3 refuses a shared `fs_struct`. That of 7.2 refuses it only if it is asked for the
//! mount namespace alone; else it moves root and working directory of all that share it, in two
//! sections. P may be between those two: so R is read of each of them. Our lock of the `fs_struct` keeps the second section out, so such
//! a task is found inside the call, and no proof of S1 is needed. A task that still has the
//! pointer has not been through `exit_fs()`, which takes this lock, so its stack is there.
//!
//! In 7.3, PID 1 moves root and working directory of the `fs_struct` that it has left, when it is a user
//! no more: `validate_fs_switch()`. In between, one of the two is the root of no file system, and the other
//! is not. A task that shares the structure may make that last, by an fchdir(2) later on. Such a task
//! cannot be attached to with its directories (`EBUSY`), as one that does not finish.

use kernel::{
    bindings,
    task::Task, //
};

use super::locks::{
    OtherFs,
    OtherTask, //
};
use crate::sys::bindings::*;

/// Returns whether `locked` may be between two changes. Reads R of the proof above.
pub(super) fn is_changing(locked: &OtherTask<'_>, fs: Option<&OtherFs<'_>>) -> bool {
    read_barrier();
    let task = locked.task.as_ptr();
    // SAFETY: By the type invariant of `locked`, the task has its stack.
    let changing = unsafe { is_in_call(task) }
        || fs.is_some_and(|fs| sharer_is_changing(fs) || fs.is_half_left());
    read_barrier();
    changing
}

/// `smp_rmb()`. The `kernel` crate has it by another name in each series.
fn read_barrier() {
    // SAFETY: A barrier may stand anywhere.
    unsafe { unshare_smp_rmb() };
}

/// Flags of tasks that never make such a call, or not any more. The registers of a kernel thread and
/// of an io_uring or vhost worker are no user's.
const NO_CALLS: u32 = bindings::PF_EXITING | bindings::PF_KTHREAD | bindings::PF_USER_WORKER;

/// # Safety
///
/// The task must be valid and have its stack.
unsafe fn is_in_call(task: *mut bindings::task_struct) -> bool {
    // The running task is in an ioctl.
    if task == Task::current_raw() {
        return false;
    }
    // SAFETY: The caller says so.
    let number = unsafe { unshare_syscall_of(task) };
    read_barrier();
    // SAFETY: As above.
    let changes = match unsafe { unshare_is_compat(task) } {
        false => {
            number == unshare_number_UNSHARE_NR_unshare as i32
                || number == unshare_number_UNSHARE_NR_setns as i32
        }
        true => {
            number == unshare_number_UNSHARE_NR_compat_unshare as i32
                || number == unshare_number_UNSHARE_NR_compat_setns as i32
        }
    };
    // SAFETY: As above.
    changes && unsafe { unshare_flags_of(task) & NO_CALLS == 0 && !unshare_is_stopped(task) }
}

/// Goes through all tasks, until each user of the `fs_struct` has been found.
fn sharer_is_changing(fs: &OtherFs<'_>) -> bool {
    let mut left = fs.users().wrapping_sub(1);
    if left <= 0 {
        return false;
    }
    // SAFETY: The idle task is never gone.
    let first = unsafe { unshare_first_process() };
    let mut process = first;
    loop {
        // SAFETY: `fs.holder` holds the RCU lock, under which a task that was found stays valid.
        process = unsafe { unshare_next_process(process) };
        if process == first {
            return false;
        }
        let mut task = process;
        while !task.is_null() {
            // SAFETY: As above.
            if fs.is_of(unsafe { unshare_peek_fs(task) }) {
                // SAFETY: A task with this pointer has its stack, as told above.
                if task != fs.holder.task.as_ptr() && unsafe { is_in_call(task) } {
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
