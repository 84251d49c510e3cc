// SPDX-License-Identifier: GPL-2.0

//! All fields of an address space, and the code that sets each of them up in a copy.
//!
//! `dup_mm()` copies all fields by `memcpy()` and then reinitializes some. This module begins with
//! an empty address space, and copies the fields that are under `copied` below. A field in no list
//! does not compile: read what `dup_mm()` does with it.

#[cfg(CONFIG_FUTEX)]
use kernel::bindings::futex_mm_data;
use kernel::{
    bindings::{
        mm_struct,
        mm_struct__bindgen_ty_1, //
    },
    sync::lock::{
        spinlock::SpinLockBackend,
        Lock, //
    },
};

use super::field_list::field_list;
use crate::sys::{arch, bindings::unshare_arg_lock};

// `struct mm_struct`, all of whose fields are in one unnamed struct.
field_list! {
    mm_struct__bindgen_ty_1, copied by unshare_copy_:

    copied by copy_layout: {
        mmap_base,
        mmap_legacy_base,
        #[cfg(CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES)]
        mmap_compat_base,
        #[cfg(CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES)]
        mmap_compat_legacy_base,
        task_size,
        #[cfg(CONFIG_MEMBARRIER)]
        membarrier_state,
        #[cfg(CONFIG_ARCH_HAS_ELF_CORE_EFLAGS)]
        saved_e_flags,
        // Falls as the copies of these pages are unmapped. `ksm_fork()` adds it to KSM's total.
        #[cfg(CONFIG_KSM)]
        ksm_zero_pages,
    }

    // With `arg_lock` of the old address space held. prctl(2) writes them under that lock, so the copy has
    // all of a PR_SET_MM_MAP or nothing of it. brk(2) writes only `brk`, under `mmap_lock`.
    copied by copy_under_arg_lock: {
        start_code,
        end_code,
        start_data,
        end_data,
        start_brk,
        brk,
        start_stack,
        arg_start,
        arg_end,
        env_start,
        env_end,
    }

    // Without a lock, as `dup_mm()` does. prctl(2) of a task that shares the address space writes it under other locks. The copy may then have parts of the old and the new value.
    copied by copy_unlocked: {
        saved_auxv,
    }

    // Set up by [`Copied`](super::copy::Copied): `binfmt` with a reference to its module, the
    // others from the copy itself.
    elsewhere: {
        binfmt,
        hiwater_rss,
        hiwater_vm,
    }

    // Copied by `dup_mmap()`, with `ksm_fork()`, `khugepaged_fork()` and `arch_dup_mmap()`.
    elsewhere: {
        mm_mt,
        map_count,
        total_vm,
        data_vm,
        exec_vm,
        stack_vm,
        exe_file,
    }

    // Inherited by `mm_init()` from the running task's mm: `def_flags`, and the flags that a fork
    // passes on. The switch adds those of PR_SET_MDWE (`switch.rs`).
    elsewhere: {
        __bindgen_anon_2,
        flags,
    }

    // Initialized by `mm_init()`. The first one is `mm_count`.
    elsewhere: {
        __bindgen_anon_1,
        mm_users,
        pgd,
        mm_cid,
        sched_cache_grp,
        pgtables_bytes,
        page_table_lock,
        mmap_lock,
        mmlist,
        #[cfg(CONFIG_PER_VMA_LOCK)]
        vma_writer_wait,
        #[cfg(CONFIG_PER_VMA_LOCK)]
        mm_lock_seq,
        locked_vm,
        pinned_vm,
        write_protect_seq,
        arg_lock,
        rss_stat,
        #[cfg(CONFIG_AIO)]
        ioctx_lock,
        #[cfg(CONFIG_AIO)]
        ioctx_table,
        #[cfg(CONFIG_MEMCG)]
        owner,
        #[cfg(CONFIG_MMU_NOTIFIER)]
        notifier_subscriptions,
        #[cfg(all(CONFIG_TRANSPARENT_HUGEPAGE, not(CONFIG_SPLIT_PMD_PTLOCKS)))]
        pmd_huge_pte,
        tlb_flush_pending,
        uprobes_state,
        #[cfg(CONFIG_HUGETLB_PAGE)]
        hugetlb_usage,
        #[cfg(CONFIG_IOMMU_MM_DATA)]
        iommu_mm,
        #[cfg(CONFIG_LRU_GEN_WALKS_MMU)]
        lru_gen,
        #[cfg(CONFIG_MM_ID)]
        mm_id,
    }

    // Zero, as `mm_alloc()` leaves them. They describe the old address space only, although
    // `dup_mm()` copies them: pending TLB flushes, the progress of NUMA hinting, counts of merged
    // pages (which `ksm_fork()` clears), and work items that are initialized when they are queued.
    elsewhere: {
        #[cfg(CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH)]
        tlb_flush_batched,
        #[cfg(CONFIG_NUMA_BALANCING)]
        numa_next_scan,
        #[cfg(CONFIG_NUMA_BALANCING)]
        numa_scan_offset,
        #[cfg(CONFIG_NUMA_BALANCING)]
        numa_scan_seq,
        #[cfg(CONFIG_KSM)]
        ksm_merging_pages,
        #[cfg(CONFIG_KSM)]
        ksm_rmap_items,
        async_put_work,
        #[cfg(CONFIG_PREEMPT_RT)]
        delayed_drop,
    }

    // By the list below, and by the list in `sys::arch`.
    elsewhere: {
        futex,
        context,
    }

    // bindgen's padding: `mm_cid` begins a cache line. Some configurations need none.
    elsewhere: {
        #[cfg(all(
            CONFIG_SCHED_MM_CID,
            not(all(
                not(CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES),
                CONFIG_LOCK_STAT,
                CONFIG_MEMBARRIER,
                not(CONFIG_PREEMPT_RT)
            ))
        ))]
        __bindgen_padding_0,
    }
}

#[cfg(CONFIG_FUTEX)]
field_list! {
    futex_mm_data, copied by unshare_copy_futex_:

    // The address of the code in the vDSO that unlocks robust futexes, which the copy maps too.
    copied by copy_futex: {
        unlock,
    }

    // Initialized by `futex_mm_init()`.
    elsewhere: {
        phash,
        unique_id,
    }
}

/// Copies what `dup_mm()` copies by `memcpy()`, and neither `mm_init()` nor `dup_mmap()` sets up.
///
/// # Safety
///
/// `mm` must be new and used by no task. `oldmm` must have a user.
pub(super) unsafe fn copy(mm: *mut mm_struct, oldmm: *mut mm_struct) {
    // SAFETY: By the safety requirements; the guard holds the lock that the second list names.
    unsafe {
        copy_layout(mm, oldmm);
        copy_unlocked(mm, oldmm);
        let lock: &Lock<(), SpinLockBackend> = Lock::from_raw(unshare_arg_lock(oldmm));
        let guard = lock.lock();
        copy_under_arg_lock(mm, oldmm);
        drop(guard);
        #[cfg(CONFIG_FUTEX)]
        copy_futex(mm, oldmm);
        arch::copy_context(mm, oldmm);
    }
}
