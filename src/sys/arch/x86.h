/* SPDX-License-Identifier: GPL-2.0 */
/* What address spaces of x86-64 have that those of another architecture do not. */
#ifndef _UNSHARE_ARCH_H
#define _UNSHARE_ARCH_H

#include <linux/mm_types.h>
#include <linux/sched.h>

/* More of UNSHARE_UNEXPORTED(). */
#define UNSHARE_ARCH_UNEXPORTED(X)								\
	X(CLONE_VM, void, switch_mm_irqs_off,							\
	  (struct mm_struct *prev, struct mm_struct *next, struct task_struct *task),		\
	  (prev, next, task))

void unshare_switch_mm_irqs_off(struct mm_struct *prev, struct mm_struct *next,
				struct task_struct *task);

/* COPY(name, copy): what src/sys/arch/x86.rs says is copied of mm_context_t. */
#define UNSHARE_COPIED_CONTEXT(COPY)							\
	COPY(context_flags, mm->context.flags = oldmm->context.flags)			\
	COPY(context_vdso, mm->context.vdso = oldmm->context.vdso)			\
	COPY(context_vdso_image, mm->context.vdso_image = oldmm->context.vdso_image)

/* Functions that src/sys/arch/x86.rs needs besides: none. */
#define UNSHARE_SWITCH_HELPERS

#endif /* _UNSHARE_ARCH_H */
