// SPDX-License-Identifier: GPL-2.0

//! Breakpoints in the address space of a task.

use crate::sys::task::Current;

/// Sets the breakpoints again that the running task should have.
///
/// A uprobe that was registered for this task between the copy and the switch was set in the old address
/// space alone: its consumer tells by `task->mm` which one is meant. `uprobe_register()` puts the consumer
/// into the list first, and then asks for each address space under its `mmap_lock`; this function takes
/// the same lock and reads the list after the switch. So a registration that has not seen the switch is
/// seen here.
///
/// Mirrors `mmap_region()`, which does so for a new mapping. `uprobe_mmap()` leaves breakpoints alone that
/// are set, and as there, a lack of memory costs events.
///
/// Waits for tasks that hold `mmap_lock` of an address space that is new to them: a deadly signal ends the
/// wait, and a task that dies needs no breakpoint.
pub(super) fn install_again(_current: &Current) {
    #[cfg(CONFIG_UPROBES)]
    // SAFETY: The task runs, and is a user of its address space. Mappings stay while it is locked.
    unsafe {
        use crate::sys::bindings::*;
        use core::mem::MaybeUninit;

        let mm = unshare_task_mm(_current.as_ptr());
        if unshare_mmap_write_lock_killable(mm) != 0 {
            return;
        }
        let mut vmi = MaybeUninit::uninit();
        unshare_vma_iter_init(vmi.as_mut_ptr(), mm);
        loop {
            let vma = unshare_vma_next(vmi.as_mut_ptr());
            if vma.is_null() {
                break;
            }
            unshare_uprobe_mmap(vma);
        }
        unshare_mmap_write_unlock(mm);
    }
}
