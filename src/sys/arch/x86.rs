// SPDX-License-Identifier: GPL-2.0

use kernel::bindings::{
    mm_context_t,
    mm_struct,
    task_struct, //
};

use crate::sys::{
    bindings::unshare_switch_mm_irqs_off,
    mm::field_list::field_list, //
};

field_list! {
    mm_context_t, copied by unshare_copy_context_:

    copied by copy_context: {
        flags,
        vdso,
        vdso_image,
    }

    // Copied by `arch_dup_mmap()`.
    elsewhere: {
        #[cfg(CONFIG_MODIFY_LDT_SYSCALL)]
        ldt,
        #[cfg(CONFIG_ADDRESS_MASKING)]
        lam_cr3_mask,
        #[cfg(CONFIG_ADDRESS_MASKING)]
        untag_mask,
        #[cfg(CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS)]
        pkey_allocation_map,
        #[cfg(CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS)]
        execute_only_pkey,
    }

    // Initialized by `init_new_context()`.
    elsewhere: {
        ctx_id,
        tlb_gen,
        next_trim_cpumask,
        #[cfg(CONFIG_MODIFY_LDT_SYSCALL)]
        ldt_usr_sem,
        lock,
        #[cfg(CONFIG_BROADCAST_TLB_FLUSH)]
        global_asid,
        #[cfg(CONFIG_BROADCAST_TLB_FLUSH)]
        asid_transition,
    }

    // Zero: counts the mappings of perf events, which are VM_DONTCOPY.
    elsewhere: {
        perf_rdpmc_allowed,
    }
}

/// Loads the page tables of `new`. Mirrors `activate_mm()`, with two differences:
/// - It passes the task, as a task switch does. `activate_mm()` passes NULL. With the task,
///   `cond_mitigation()` notes the new address space, and may issue a branch prediction barrier.
/// - It does not call `paravirt_enter_mmap()`: `dup_mmap()` has done so in `arch_dup_mmap()`.
///
/// # Safety
///
/// `task` must be the running task, which switches from `old` to `new`, with interrupts off. Both
/// address spaces must have users.
pub(in crate::sys) unsafe fn switch_mm(
    old: *mut mm_struct,
    new: *mut mm_struct,
    task: *mut task_struct,
) {
    // SAFETY: By the safety requirements.
    unsafe { unshare_switch_mm_irqs_off(old, new, task) };
}
