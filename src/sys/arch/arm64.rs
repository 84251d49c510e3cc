// SPDX-License-Identifier: GPL-2.0

use kernel::bindings::{
    mm_context_t,
    mm_struct,
    task_struct, //
};

use crate::sys::{
    bindings::unshare_check_and_switch_context,
    mm::field_list::field_list, //
};

field_list! {
    mm_context_t, copied by unshare_copy_context_:

    copied by copy_context: {
        flags,
        vdso,
        #[cfg(CONFIG_COMPAT)]
        sigpage,
    }

    // Copied by `arch_dup_mmap()`.
    elsewhere: {
        pkey_allocation_map,
    }

    // Initialized by `init_new_context()`: the ASID, and `pinned`, by which drivers hold it.
    elsewhere: {
        id,
        pinned,
    }
}

/// Loads the page tables of `new`. Mirrors `switch_mm()` and `__switch_mm()`, which are inline, for
/// two address spaces of user tasks.
///
/// With emulated PAN, the CPU gets the page tables at the next access to user memory, from where
/// `update_saved_ttbr0()` stores them.
///
/// # Safety
///
/// `task` must be the running task, which switches to `new`, which has users, with interrupts off.
pub(in crate::sys) unsafe fn switch_mm(
    _old: *mut mm_struct,
    new: *mut mm_struct,
    task: *mut task_struct,
) {
    // SAFETY: By the safety requirements.
    unsafe { unshare_check_and_switch_context(new) };
    #[cfg(CONFIG_ARM64_SW_TTBR0_PAN)]
    // SAFETY: As above.
    unsafe {
        use crate::sys::bindings::{
            unshare_set_saved_ttbr0,
            unshare_uses_saved_ttbr0, //
        };
        if unshare_uses_saved_ttbr0() {
            unshare_set_saved_ttbr0(task, new);
        }
    }
    #[cfg(not(CONFIG_ARM64_SW_TTBR0_PAN))]
    let _ = task;
}
