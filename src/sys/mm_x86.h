/* SPDX-License-Identifier: GPL-2.0 */
/*
 * x86's part of an address space that dup_mmap() does not bring along: what
 * dup_mm() carries over by copying the whole mm_struct.
 *
 * mm_context_t: ctx_id, tlb_gen, next_trim_cpumask, lock, global_asid and
 * asid_transition are new with init_new_context(); ldt and ldt_usr_sem,
 * lam_cr3_mask, untag_mask, pkey_allocation_map and execute_only_pkey are
 * copied by arch_dup_mmap(). perf_rdpmc_allowed counts mappings of perf events,
 * which are VM_DONTCOPY, and so it starts at zero.
 */
#ifndef _UNSHARE_MM_X86_H
#define _UNSHARE_MM_X86_H

#include <linux/mm_types.h>

static inline void unshare_dup_mm_context(struct mm_struct *mm, struct mm_struct *oldmm)
{
	mm->context.flags = oldmm->context.flags;
	mm->context.vdso = oldmm->context.vdso;
	mm->context.vdso_image = oldmm->context.vdso_image;
}

#endif /* _UNSHARE_MM_X86_H */
