// SPDX-License-Identifier: GPL-2.0

//! Drops the entries of a task that exits or executes a program before it has left.
//!
//! If an entry survived its task, its `fs_struct` would count the task as a user for ever, and a
//! new task at the same address would find the entry. If it survived execve(2), the new program
//! could leave a context that it was put into. So a probe on each of two tracepoints removes the
//! entries, and the task stays inside for good.
//!
//! A probe must not sleep, but the last put of a namespace or a directory may. So a task work drops
//! the entry. `do_exit()` reaches the first tracepoint, then calls `exit_task_work()`, then
//! `exit_notify()`: when the parent is notified, the entry is gone. `exec_binprm()` reaches the
//! second tracepoint when the new program is in place, and the work runs before that starts.

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

/// Which probes are registered.
#[derive(Default)]
pub(super) struct Probes {
    exit: bool,
    exec: bool,
}

impl Probes {
    /// Registers the probes that are not registered yet. Fails with `ENOMEM`.
    #[cfg(CONFIG_TRACEPOINTS)]
    pub(super) fn register(&mut self) -> Result {
        if !self.exit {
            // SAFETY: Holding is offered only if the tracepoint was found.
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

    /// Fails with `EOPNOTSUPP`: a kernel without tracepoints does not offer to hold contexts.
    #[cfg(not(CONFIG_TRACEPOINTS))]
    pub(super) fn register(&mut self) -> Result {
        to_result(-(bindings::EOPNOTSUPP as i32))
    }

    /// Unregisters the probes, and waits for running probes and for their task works.
    pub(super) fn unregister(&mut self) {
        // SAFETY: The probes are registered. A work that has dropped the last reference to the
        // module may still be at its last instructions. It does not sleep there, so
        // `synchronize_rcu_tasks()` waits for it.
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

/// Called when the running task exits. `exit_task_work()` follows, so no notification is needed.
#[no_mangle]
extern "C" fn unshare_task_exits() {
    stay(bindings::task_work_notify_mode_TWA_NONE);
}

/// Called when the running task has executed a program, before it returns to user mode.
#[no_mangle]
extern "C" fn unshare_task_executes() {
    stay(bindings::task_work_notify_mode_TWA_RESUME);
}

/// Drops all entries of the running task, which stays inside for good.
fn stay(mode: bindings::task_work_notify_mode) {
    let current = Current::get();
    while let Ok(entry) = Entries::get().pop(None, &current) {
        let entry = KBox::into_raw(entry);
        // SAFETY: `pop` returned the only pointer to the entry, and the work owns it from now on.
        let refused = unsafe {
            (*entry).work.func = Some(drop_entry);
            bindings::task_work_add(current.as_ptr(), &raw mut (*entry).work, mode)
        };
        // Adding a work fails only after `exit_task_work()`, and both tracepoints come before that.
        warn_on!(refused != 0);
    }
}

/// The task work: drops the entry.
///
/// # Safety
///
/// `work` must be the field of an entry that `stay` gave away.
unsafe extern "C" fn drop_entry(work: *mut bindings::callback_head) {
    let entry: *mut Entry = work.wrapping_byte_sub(offset_of!(Entry, work)).cast();
    // SAFETY: By the safety requirements; `stay` turned the box into a raw pointer.
    drop(unsafe { KBox::from_raw(entry) });
}
