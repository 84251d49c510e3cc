// SPDX-License-Identifier: GPL-2.0

use kernel::bindings::mm_context_t;

/// x86's `mm_context_t`.
const _: fn(mm_context_t) = |context| {
    let mm_context_t {
        // Copied by `unshare_dup_mm_context()`.
        flags: _,
        vdso: _,
        vdso_image: _,

        // Copied by `arch_dup_mmap()`.
        #[cfg(CONFIG_MODIFY_LDT_SYSCALL)]
            ldt: _,
        #[cfg(CONFIG_ADDRESS_MASKING)]
            lam_cr3_mask: _,
        #[cfg(CONFIG_ADDRESS_MASKING)]
            untag_mask: _,
        #[cfg(CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS)]
            pkey_allocation_map: _,
        #[cfg(CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS)]
            execute_only_pkey: _,

        // Made new by `init_new_context()`.
        ctx_id: _,
        tlb_gen: _,
        next_trim_cpumask: _,
        #[cfg(CONFIG_MODIFY_LDT_SYSCALL)]
            ldt_usr_sem: _,
        lock: _,
        #[cfg(CONFIG_BROADCAST_TLB_FLUSH)]
            global_asid: _,
        #[cfg(CONFIG_BROADCAST_TLB_FLUSH)]
            asid_transition: _,

        // Zero: it counts mappings of perf events, which are VM_DONTCOPY.
        perf_rdpmc_allowed: _,
    } = context;
};
