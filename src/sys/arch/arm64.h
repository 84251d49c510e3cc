/* SPDX-License-Identifier: GPL-2.0 */
/* Address spaces of arm64, where another architecture has them otherwise. */
#ifndef _UNSHARE_ARCH_H
#define _UNSHARE_ARCH_H

#include <linux/bitfield.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <asm/compat.h>
#include <asm/mmu_context.h>
#include <asm/syscall.h>
#include <asm/unistd.h>
#include <asm/unistd_compat_32.h>

/* More of UNSHARE_UNEXPORTED(). */
#define UNSHARE_ARCH_UNEXPORTED(X)								\
	X(CLONE_VM, void, check_and_switch_context,						\
	  (struct mm_struct *mm), (mm))

void unshare_check_and_switch_context(struct mm_struct *mm);

/*
 * What of an address space dup_mmap() does not bring along and dup_mm() carries
 * over by copying the whole mm_struct.
 *
 * mm_context_t: id, the ASID, and pinned, by which devices hold it, are new with
 * init_new_context(), as pkey_allocation_map is, which arch_dup_mmap() copies.
 */
static inline void unshare_dup_mm_context(struct mm_struct *mm, struct mm_struct *oldmm)
{
	mm->context.flags = oldmm->context.flags;
	mm->context.vdso = oldmm->context.vdso;
#ifdef CONFIG_COMPAT
	mm->context.sigpage = oldmm->context.sigpage;
#endif
}

/*
 * Under task_lock, with interrupts off. As switch_mm() and __switch_mm(), which
 * are inline: between two address spaces of which neither is the kernel's own.
 * Where PAN is emulated, the processor has the new page tables from the task's
 * next access on, which takes them from where update_saved_ttbr0() puts them.
 */
static inline void unshare_switch_mm(struct mm_struct *prev, struct mm_struct *next,
				     struct task_struct *task)
{
	unshare_check_and_switch_context(next);
#ifdef CONFIG_ARM64_SW_TTBR0_PAN
	if (system_uses_ttbr0_pan())
		WRITE_ONCE(task_thread_info(task)->ttbr0,
			   phys_to_ttbr(virt_to_phys(next->pgd)) |
			   FIELD_PREP(TTBRx_EL1_ASID_MASK, ASID(next)));
#endif
}

/* The numbers of 32-bit programs. */
#define UNSHARE_COMPAT_NR_unshare __NR_compat32_unshare
#define UNSHARE_COMPAT_NR_setns __NR_compat32_setns

static inline int unshare_syscall_number(struct task_struct *task)
{
	return syscall_get_nr(task, task_pt_regs(task));
}

/* Set for the life of a program. */
static inline bool unshare_in_compat_syscall(struct task_struct *task)
{
	return is_compat_thread(task_thread_info(task));
}

#endif /* _UNSHARE_ARCH_H */
