// SPDX-License-Identifier: GPL-2.0
#include <linux/binfmts.h>
#include <linux/futex.h>
#include <linux/io_uring_types.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/percpu_counter.h>
#include <linux/rseq.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/uaccess.h>
#include <linux/uprobes.h>

#include "../helpers.h"
#include "../unexported.h"
#include "mm.h"

#define COPY(name, copy)							\
	void unshare_copy_##name(struct mm_struct *mm, struct mm_struct *oldmm)	\
	{									\
		copy;								\
	}
#define COPY_FIELD(name) COPY(name, mm->name = oldmm->name)

UNSHARE_COPIED_FIELDS(COPY_FIELD)
#ifdef CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES
COPY_FIELD(mmap_compat_base)
COPY_FIELD(mmap_compat_legacy_base)
#endif
COPY(saved_auxv, memcpy(mm->saved_auxv, oldmm->saved_auxv, sizeof(mm->saved_auxv)))
#ifdef CONFIG_ARCH_HAS_ELF_CORE_EFLAGS
COPY_FIELD(saved_e_flags)
#endif
#ifdef CONFIG_MEMBARRIER
COPY(membarrier_state,
     atomic_set(&mm->membarrier_state, atomic_read(&oldmm->membarrier_state)))
#endif
#ifdef CONFIG_KSM
COPY(ksm_zero_pages,
     atomic_long_set(&mm->ksm_zero_pages, atomic_long_read(&oldmm->ksm_zero_pages)))
#endif
#ifdef CONFIG_FUTEX
COPY(futex_unlock, mm->futex.unlock = oldmm->futex.unlock)
#endif
UNSHARE_COPIED_CONTEXT(COPY)

spinlock_t *unshare_arg_lock(struct mm_struct *mm)
{
	return &mm->arg_lock;
}

bool unshare_has_mdwe_no_inherit(struct mm_struct *mm)
{
	return mm_flags_test(MMF_HAS_MDWE_NO_INHERIT, mm);
}

void unshare_set_mdwe_no_inherit(struct mm_struct *mm)
{
	mm_flags_set(MMF_HAS_MDWE_NO_INHERIT, mm);
}

void unshare_set_mdwe(struct mm_struct *mm)
{
	mm_flags_set(MMF_HAS_MDWE, mm);
}

struct linux_binfmt *unshare_binfmt(struct mm_struct *mm)
{
	return mm->binfmt;
}

bool unshare_get_binfmt(struct linux_binfmt *binfmt)
{
	return try_module_get(binfmt->module);
}

void unshare_assign_binfmt(struct mm_struct *mm, struct linux_binfmt *binfmt)
{
	mm->binfmt = binfmt;
}

void unshare_begin_hiwater_rss(struct mm_struct *mm)
{
	mm->hiwater_rss = get_mm_rss(mm);
}

void unshare_begin_hiwater_vm(struct mm_struct *mm)
{
	mm->hiwater_vm = mm->total_vm;
}

#ifdef CONFIG_MEMCG
void unshare_clear_owner(struct mm_struct *mm)
{
	WRITE_ONCE(mm->owner, NULL);
}
#endif

int unshare_mmap_write_lock_killable(struct mm_struct *mm)
{
	return mmap_write_lock_killable(mm);
}

void unshare_mmap_write_unlock(struct mm_struct *mm)
{
	mmap_write_unlock(mm);
}

unsigned long unshare_vma_end(struct vm_area_struct *vma)
{
	return vma->vm_end;
}

struct mm_struct *unshare_task_mm(struct task_struct *task)
{
	return task->mm;
}

void unshare_set_task_mm(struct task_struct *task, struct mm_struct *mm)
{
	task->mm = mm;
}

void unshare_set_active_mm(struct task_struct *task, struct mm_struct *mm)
{
	task->active_mm = mm;
}

#ifdef CONFIG_UPROBES
bool unshare_is_in_uprobe(struct task_struct *task)
{
	return task->utask && (task->utask->return_instances || task->utask->active_uprobe);
}
#endif

#ifdef CONFIG_ARCH_HAS_CPU_PASID
bool unshare_has_pasid(struct task_struct *task)
{
	return task->pasid_activated;
}
#endif

#ifdef CONFIG_USER_EVENTS
bool unshare_has_user_events(struct task_struct *task)
{
	return task->user_event_mm;
}
#endif

u32 __user *unshare_child_tid(struct task_struct *task)
{
	return (u32 __user *)task->clear_child_tid;
}

void unshare_reset_child_tid(struct task_struct *task)
{
	task->clear_child_tid = NULL;
}

struct completion *unshare_vfork_done(struct task_struct *task)
{
	return task->vfork_done;
}

void unshare_reset_vfork_done(struct task_struct *task)
{
	task->vfork_done = NULL;
}

void unshare_note_maxrss(struct task_struct *task, struct mm_struct *mm)
{
	setmax_mm_hiwater_rss(&task->signal->maxrss, mm);
}

int unshare_lock_exec_update(struct task_struct *task)
{
	return down_write_killable(&task->signal->exec_update_lock);
}

void unshare_unlock_exec_update(struct task_struct *task)
{
	up_write(&task->signal->exec_update_lock);
}

#ifdef CONFIG_IO_URING
struct io_uring_task *unshare_io_uring(struct task_struct *task)
{
	return task->io_uring;
}

s64 unshare_io_uring_references(struct io_uring_task *tctx)
{
	return percpu_counter_sum(&tctx->inflight);
}

int unshare_io_uring_cached(struct io_uring_task *tctx)
{
	return tctx->cached_refs;
}
#endif

#ifdef CONFIG_FUTEX
struct mutex *unshare_futex_exit_mutex(struct task_struct *task)
{
	return &task->futex.exit_mutex;
}

void unshare_lock_pi(struct task_struct *task)
{
	raw_spin_lock_irq(&task->pi_lock);
}

void unshare_unlock_pi(struct task_struct *task)
{
	raw_spin_unlock_irq(&task->pi_lock);
}

bool unshare_has_pi_states(struct task_struct *task)
{
	return !list_empty(&task->futex.pi_state_list);
}

void unshare_set_futex_exiting(struct task_struct *task)
{
	task->futex.state = FUTEX_STATE_EXITING;
}

void unshare_set_futex_ok(struct task_struct *task)
{
	task->futex.state = FUTEX_STATE_OK;
}

void unshare_wake_word(u32 __user *word)
{
	unshare_do_futex(word, FUTEX_WAKE, 1, NULL, NULL, 0, 0);
}
#endif

struct task_exec_state *unshare_exec_state(struct task_struct *task)
{
	return rcu_dereference_protected(task->exec_state, true);
}

struct user_namespace *unshare_exec_state_user_ns(struct task_exec_state *exec_state)
{
	return exec_state->user_ns;
}

void unshare_copy_dumpable(struct task_exec_state *exec_state, struct task_exec_state *old)
{
	WRITE_ONCE(exec_state->dumpable, READ_ONCE(old->dumpable));
}

/* An address that is not one is its owner's loss, as at an exit. */
void unshare_clear_word(u32 __user *word)
{
	put_user(0, word);
}

void unshare_fault_in_word(u32 __user *word)
{
	fault_in_safe_writeable((char __user *)word, sizeof(*word));
}

void unshare_irqs_off(void)
{
	local_irq_disable();
}

void unshare_irqs_on(void)
{
	local_irq_enable();
}

void unshare_smp_mb(void)
{
	smp_mb();
}

void unshare_lru_gen_use_mm(struct mm_struct *mm)
{
	lru_gen_use_mm(mm);
}

void unshare_rseq_force_update(void)
{
	rseq_force_update();
}

UNSHARE_SWITCH_HELPERS
