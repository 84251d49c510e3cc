/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of an address space that are specific to arm64. */
#ifndef _UNSHARE_ARCH_H
#define _UNSHARE_ARCH_H

#include <linux/bitfield.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <asm/compat.h>
#include <asm/mmu_context.h>
#include <asm/syscall.h>
#include <asm/unistd.h>
#include <asm/unistd_compat_32.h>

/* Additions to UNSHARE_UNEXPORTED(). */
#define UNSHARE_ARCH_UNEXPORTED(X)								\
	X(CLONE_VM, void, check_and_switch_context,						\
	  (struct mm_struct *mm), (mm))

void unshare_check_and_switch_context(struct mm_struct *mm);

#ifdef CONFIG_COMPAT
#define UNSHARE_COPIED_SIGPAGE(COPY)							\
	COPY(context_sigpage, mm->context.sigpage = oldmm->context.sigpage)
#else
#define UNSHARE_COPIED_SIGPAGE(COPY)
#endif

/* COPY(name, statement): the copied fields of mm_context_t, as listed in src/sys/arch/arm64.rs. */
#define UNSHARE_COPIED_CONTEXT(COPY)							\
	COPY(context_flags, mm->context.flags = oldmm->context.flags)			\
	COPY(context_vdso, mm->context.vdso = oldmm->context.vdso)			\
	UNSHARE_COPIED_SIGPAGE(COPY)

/* Functions that only src/sys/arch/arm64.rs needs. */
#ifdef CONFIG_ARM64_SW_TTBR0_PAN
#define UNSHARE_SWITCH_HELPERS								\
	bool unshare_uses_saved_ttbr0(void)						\
	{										\
		return system_uses_ttbr0_pan();						\
	}										\
											\
	void unshare_set_saved_ttbr0(struct task_struct *task, struct mm_struct *mm)	\
	{										\
		WRITE_ONCE(task_thread_info(task)->ttbr0,				\
			   phys_to_ttbr(virt_to_phys(mm->pgd)) |			\
			   FIELD_PREP(TTBRx_EL1_ASID_MASK, ASID(mm)));			\
	}
#else
#define UNSHARE_SWITCH_HELPERS
#endif

/* A kprobe of a function is at its first instruction. */
static inline void *unshare_probed_function(void *address)
{
	return address;
}

/* The system call numbers of 32-bit programs. */
#define UNSHARE_COMPAT_NR_unshare __NR_compat32_unshare
#define UNSHARE_COMPAT_NR_setns __NR_compat32_setns

static inline int unshare_syscall_number(struct task_struct *task)
{
	return syscall_get_nr(task, task_pt_regs(task));
}

/* This flag does not change until execve(2). */
static inline bool unshare_in_compat_syscall(struct task_struct *task)
{
	return is_compat_thread(task_thread_info(task));
}

#endif /* _UNSHARE_ARCH_H */
