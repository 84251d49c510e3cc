// SPDX-License-Identifier: GPL-2.0

//! Each field of an address space, and where a copy has it from.
//!
//! A field that is in none of these lists does not compile: somebody has to decide on it, by what
//! `dup_mm()` of that kernel does, and then change `dup_layout()` or name it here.

use kernel::bindings::mm_struct__bindgen_ty_1;

/// `struct mm_struct`, whose fields are all in one unnamed struct.
const _: fn(mm_struct__bindgen_ty_1) = |mm| {
    let mm_struct__bindgen_ty_1 {
        // Copied by `dup_layout()`, as by the `memcpy()` of `dup_mm()`.
        mmap_base: _,
        mmap_legacy_base: _,
        #[cfg(CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES)]
            mmap_compat_base: _,
        #[cfg(CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES)]
            mmap_compat_legacy_base: _,
        task_size: _,
        #[cfg(CONFIG_MEMBARRIER)]
            membarrier_state: _,
        start_code: _,
        end_code: _,
        start_data: _,
        end_data: _,
        start_brk: _,
        brk: _,
        start_stack: _,
        arg_start: _,
        arg_end: _,
        env_start: _,
        env_end: _,
        saved_auxv: _,
        #[cfg(CONFIG_ARCH_HAS_ELF_CORE_EFLAGS)]
            saved_e_flags: _,
        #[cfg(CONFIG_KSM)]
            ksm_zero_pages: _,

        // Copied by `unshare_dup_mm()`: with a reference to the module; from the copy itself.
        binfmt: _,
        hiwater_rss: _,
        hiwater_vm: _,

        // Copied by `dup_mmap()`, with `ksm_fork()`, `khugepaged_fork()` and `arch_dup_mmap()`.
        mm_mt: _,
        map_count: _,
        total_vm: _,
        data_vm: _,
        exec_vm: _,
        stack_vm: _,
        exe_file: _,

        // Inherited by `mm_init()` from the mm of the running task: `def_flags`, and of the flags
        // those that a fork hands down; those that it keeps from children by `dup_layout()`.
        __bindgen_anon_2: _,
        flags: _,

        // Made new by `mm_init()`. The first one is `mm_count`.
        __bindgen_anon_1: _,
        mm_users: _,
        pgd: _,
        mm_cid: _,
        sched_cache_grp: _,
        pgtables_bytes: _,
        page_table_lock: _,
        mmap_lock: _,
        mmlist: _,
        #[cfg(CONFIG_PER_VMA_LOCK)]
            vma_writer_wait: _,
        #[cfg(CONFIG_PER_VMA_LOCK)]
            mm_lock_seq: _,
        locked_vm: _,
        pinned_vm: _,
        write_protect_seq: _,
        arg_lock: _,
        rss_stat: _,
        #[cfg(CONFIG_AIO)]
            ioctx_lock: _,
        #[cfg(CONFIG_AIO)]
            ioctx_table: _,
        #[cfg(CONFIG_MEMCG)]
            owner: _,
        #[cfg(CONFIG_MMU_NOTIFIER)]
            notifier_subscriptions: _,
        #[cfg(all(CONFIG_TRANSPARENT_HUGEPAGE, not(CONFIG_SPLIT_PMD_PTLOCKS)))]
            pmd_huge_pte: _,
        tlb_flush_pending: _,
        uprobes_state: _,
        #[cfg(CONFIG_HUGETLB_PAGE)]
            hugetlb_usage: _,
        #[cfg(CONFIG_IOMMU_MM_DATA)]
            iommu_mm: _,
        #[cfg(CONFIG_LRU_GEN_WALKS_MMU)]
            lru_gen: _,
        #[cfg(CONFIG_MM_ID)]
            mm_id: _,

        // Zero, as `mm_alloc()` leaves them: state of the old address space that means nothing
        // for another, although `dup_mm()` carries it along. What waits to be flushed from the
        // TLB, and when NUMA hinting looks at what next; counts of merged pages, which
        // `ksm_fork()` clears; and room for work that is set up where it is queued.
        #[cfg(CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH)]
            tlb_flush_batched: _,
        #[cfg(CONFIG_NUMA_BALANCING)]
            numa_next_scan: _,
        #[cfg(CONFIG_NUMA_BALANCING)]
            numa_scan_offset: _,
        #[cfg(CONFIG_NUMA_BALANCING)]
            numa_scan_seq: _,
        #[cfg(CONFIG_KSM)]
            ksm_merging_pages: _,
        #[cfg(CONFIG_KSM)]
            ksm_rmap_items: _,
        async_put_work: _,
        #[cfg(CONFIG_PREEMPT_RT)]
            delayed_drop: _,

        // See below.
        futex: _,

        // The architecture's: see `super::arch`.
        context: _,

        // Of bindgen's making: `mm_cid` begins a cache line.
        #[cfg(CONFIG_SCHED_MM_CID)]
            __bindgen_padding_0: _,
    } = mm;
};

#[cfg(CONFIG_FUTEX)]
const _: fn(kernel::bindings::futex_mm_data) = |futex| {
    let kernel::bindings::futex_mm_data {
        // Copied by `dup_layout()`.
        unlock: _,

        // Made new by `futex_mm_init()`.
        phash: _,
        unique_id: _,
    } = futex;
};
