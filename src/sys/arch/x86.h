/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of an address space that are specific to x86-64. */
#ifndef _UNSHARE_ARCH_H
#define _UNSHARE_ARCH_H

#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <asm/ibt.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

/* Additions to UNSHARE_UNEXPORTED(). */
#define UNSHARE_ARCH_UNEXPORTED(X)								\
	X(CLONE_VM, void, switch_mm_irqs_off,							\
	  (struct mm_struct *prev, struct mm_struct *next, struct task_struct *task),		\
	  (prev, next, task))

void unshare_switch_mm_irqs_off(struct mm_struct *prev, struct mm_struct *next,
				struct task_struct *task);

/* COPY(name, statement): the copied fields of mm_context_t, as listed in src/sys/arch/x86.rs. */
#define UNSHARE_COPIED_CONTEXT(COPY)							\
	COPY(context_flags, mm->context.flags = oldmm->context.flags)			\
	COPY(context_vdso, mm->context.vdso = oldmm->context.vdso)			\
	COPY(context_vdso_image, mm->context.vdso_image = oldmm->context.vdso_image)

/* Functions that only src/sys/arch/x86.rs needs: none. */
#define UNSHARE_SWITCH_HELPERS

/* A kprobe of a function is after its ENDBR: arch_adjust_kprobe_addr(). */
static inline void *unshare_probed_function(void *address)
{
#ifdef CONFIG_X86_KERNEL_IBT
	if (__is_endbr(*(u32 *)(address - ENDBR_INSN_SIZE)))
		return address - ENDBR_INSN_SIZE;
#endif
	return address;
}

/* The system call numbers of 32-bit programs. */
#define UNSHARE_COMPAT_NR_unshare __NR_ia32_unshare
#define UNSHARE_COMPAT_NR_setns __NR_ia32_setns

/* An x32 program has the same numbers for these system calls, with one more bit. */
static inline int unshare_syscall_number(struct task_struct *task)
{
	return syscall_get_nr(task, task_pt_regs(task)) & ~__X32_SYSCALL_BIT;
}

static inline bool unshare_in_compat_syscall(struct task_struct *task)
{
	return READ_ONCE(task_thread_info(task)->status) & TS_COMPAT;
}

#endif /* _UNSHARE_ARCH_H */
