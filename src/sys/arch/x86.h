/* SPDX-License-Identifier: GPL-2.0 */
/* Address spaces of x86-64, where another architecture has them otherwise. */
#ifndef _UNSHARE_ARCH_H
#define _UNSHARE_ARCH_H

#include <linux/mm_types.h>
#include <linux/sched.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

/* More of UNSHARE_UNEXPORTED(). */
#define UNSHARE_ARCH_UNEXPORTED(X)								\
	X(CLONE_VM, void, switch_mm_irqs_off,							\
	  (struct mm_struct *prev, struct mm_struct *next, struct task_struct *task),		\
	  (prev, next, task))

void unshare_switch_mm_irqs_off(struct mm_struct *prev, struct mm_struct *next,
				struct task_struct *task);

/*
 * What of an address space dup_mmap() does not bring along and dup_mm() carries
 * over by copying the whole mm_struct.
 *
 * mm_context_t: ctx_id, tlb_gen, next_trim_cpumask, lock, global_asid and
 * asid_transition are new with init_new_context(); ldt and ldt_usr_sem,
 * lam_cr3_mask, untag_mask, pkey_allocation_map and execute_only_pkey are
 * copied by arch_dup_mmap(). perf_rdpmc_allowed counts mappings of perf events,
 * which are VM_DONTCOPY, and so it starts at zero.
 */
static inline void unshare_dup_mm_context(struct mm_struct *mm, struct mm_struct *oldmm)
{
	mm->context.flags = oldmm->context.flags;
	mm->context.vdso = oldmm->context.vdso;
	mm->context.vdso_image = oldmm->context.vdso_image;
}

/* Under task_lock, with interrupts off. */
static inline void unshare_switch_mm(struct mm_struct *prev, struct mm_struct *next,
				     struct task_struct *task)
{
	unshare_switch_mm_irqs_off(prev, next, task);
}

/* The numbers of 32-bit programs. */
#define UNSHARE_COMPAT_NR_unshare __NR_ia32_unshare
#define UNSHARE_COMPAT_NR_setns __NR_ia32_setns

/* Of x32, the number without the bit that marks it: the calls in question have the same ones. */
static inline int unshare_syscall_number(struct task_struct *task)
{
	return syscall_get_nr(task, task_pt_regs(task)) & ~__X32_SYSCALL_BIT;
}

static inline bool unshare_in_compat_syscall(struct task_struct *task)
{
	return READ_ONCE(task_thread_info(task)->status) & TS_COMPAT;
}

#endif /* _UNSHARE_ARCH_H */
