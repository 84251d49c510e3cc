// SPDX-License-Identifier: GPL-2.0

//! Breakpoints of uprobes in the address space of a task.

use crate::sys::task::Current;

/// Sets the breakpoints that were set only in the old address space.
///
/// A uprobe that is registered for this task between the copy and the switch is set only in the old
/// address space, because its consumer recognizes the address space by `task->mm`.
/// `uprobe_register()` first adds the consumer to the list, and then asks it about each address
/// space, under the `mmap_lock` of that. This function takes the copy's `mmap_lock` and reads the
/// list after the switch. So it sees every registration that did not see the switch.
///
/// Mirrors `mmap_region()`, which calls `uprobe_mmap()` for a new mapping. `uprobe_mmap()` skips
/// breakpoints that are set. If it lacks memory, uprobe events are lost, as in `mmap_region()`.
///
/// Waits for tasks that hold the copy's `mmap_lock`. A fatal signal ends the wait, and a dying task
/// needs no breakpoint.
pub(super) fn install_again(_current: &Current) {
    #[cfg(CONFIG_UPROBES)]
    // SAFETY: The running task uses its address space. The lock keeps the mappings.
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
