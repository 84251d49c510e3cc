// SPDX-License-Identifier: GPL-2.0

//! How an entry ends when its task does not leave: with the task, or with the program.
//!
//! If an entry stayed, the `fs_struct` in it would count the task as a user for ever, and the next task in
//! the same memory would find it. If it outlived an execve(2), the new program could leave a context that
//! it was put into. So a probe on each of two tracepoints takes the entries of the task away, which stays
//! inside for good.
//!
//! A tracepoint must not sleep, and the last put of a namespace or a directory may. A task work drops the
//! entry. `do_exit()` passes the one tracepoint, then calls `exit_task_work()`, then `exit_notify()`: when the
//! parent hears of the end, the entry is gone. `exec_binprm()` passes the other one when the new program is in
//! place, and the work runs before the task returns to it.

use core::mem::offset_of;
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    warn_on, //
};

use super::{
    entries::Entries,
    entry::Entry, //
};
use crate::sys::{
    bindings::*,
    task::Current, //
};

/// The probes, and which of them are registered.
#[derive(Default)]
pub(super) struct Probes {
    exit: bool,
    exec: bool,
}

impl Probes {
    /// Registers those that are not yet. Fails with `ENOMEM`.
    #[cfg(CONFIG_TRACEPOINTS)]
    pub(super) fn register(&mut self) -> Result {
        if !self.exit {
            // SAFETY: The tracepoint was found, or no context could be held.
            to_result(unsafe { unshare_probe_exit() })?;
            self.exit = true;
        }
        if !self.exec {
            // SAFETY: As above.
            to_result(unsafe { unshare_probe_exec() })?;
            self.exec = true;
        }
        Ok(())
    }

    /// A kernel without tracepoints does not offer to hold a context.
    #[cfg(not(CONFIG_TRACEPOINTS))]
    pub(super) fn register(&mut self) -> Result {
        to_result(-(bindings::EOPNOTSUPP as i32))
    }

    /// Unregisters them, and waits for what runs of them and of the works that they queued.
    pub(super) fn unregister(&mut self) {
        // SAFETY: The probes are registered. An entry that a work has dropped may have been the last that
        // kept the module loaded, and the work still is at its last instructions: it does not sleep there,
        // so that `synchronize_rcu_tasks()` waits for it.
        #[cfg(CONFIG_TRACEPOINTS)]
        unsafe {
            if self.exec {
                unshare_unprobe_exec();
            }
            if self.exit {
                unshare_unprobe_exit();
                unshare_tracepoint_synchronize();
                unshare_synchronize_rcu_tasks();
            }
        }
    }
}

/// The running task exits. `exit_task_work()` comes later, without a signal.
#[no_mangle]
extern "C" fn unshare_task_exits() {
    stay(bindings::task_work_notify_mode_TWA_NONE);
}

/// The running task has another program, to which it is about to return.
#[no_mangle]
extern "C" fn unshare_task_executes() {
    stay(bindings::task_work_notify_mode_TWA_RESUME);
}

/// Has the running task stay inside for good.
fn stay(mode: bindings::task_work_notify_mode) {
    let current = Current::get();
    while let Ok(entry) = Entries::get().pop(None, &current) {
        let entry = KBox::into_raw(entry);
        // SAFETY: The entry is nobody else's, and stays where it is until the work has it.
        let refused = unsafe {
            (*entry).work.func = Some(drop_entry);
            bindings::task_work_add(current.as_ptr(), &raw mut (*entry).work, mode)
        };
        // Only a task that is through `exit_task_work()` is refused, and both tracepoints come before.
        warn_on!(refused != 0);
    }
}

/// # Safety
///
/// `work` must be that of an entry that `stay` has given away.
unsafe extern "C" fn drop_entry(work: *mut bindings::callback_head) {
    let entry: *mut Entry = work.wrapping_byte_sub(offset_of!(Entry, work)).cast();
    // SAFETY: As the caller promises, and `stay` had it as a box.
    drop(unsafe { KBox::from_raw(entry) });
}
