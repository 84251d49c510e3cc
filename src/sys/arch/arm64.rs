// SPDX-License-Identifier: GPL-2.0

use kernel::bindings::mm_context_t;

/// arm64's `mm_context_t`.
const _: fn(mm_context_t) = |context| {
    let mm_context_t {
        // Copied by `unshare_dup_mm_context()`.
        flags: _,
        vdso: _,
        #[cfg(CONFIG_COMPAT)]
            sigpage: _,

        // Copied by `arch_dup_mmap()`.
        pkey_allocation_map: _,

        // Made new by `init_new_context()`.
        id: _,
        pinned: _,
    } = context;
};
