// SPDX-License-Identifier: GPL-2.0
/*
 * Leaving a shared address space for a copy of it: dup_mm() of kernel/fork.c
 * and exec_mmap() of fs/exec.c, which are both static.
 */
#include <linux/binfmts.h>
#include <linux/completion.h>
#include <linux/futex.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/refcount.h>
#include <linux/rseq.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uprobes.h>

#include "mm.h"
#include "unexported.h"

/* What the memcpy() of dup_mm() carries over and neither mm_init() nor dup_mmap() does. */
static void dup_layout(struct mm_struct *mm, struct mm_struct *oldmm)
{
	mm->mmap_base = oldmm->mmap_base;
	mm->mmap_legacy_base = oldmm->mmap_legacy_base;
#ifdef CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES
	mm->mmap_compat_base = oldmm->mmap_compat_base;
	mm->mmap_compat_legacy_base = oldmm->mmap_compat_legacy_base;
#endif
	mm->task_size = oldmm->task_size;
#ifdef CONFIG_MEMBARRIER
	atomic_set(&mm->membarrier_state, atomic_read(&oldmm->membarrier_state));
#endif

	spin_lock(&oldmm->arg_lock);
	mm->start_code = oldmm->start_code;
	mm->end_code = oldmm->end_code;
	mm->start_data = oldmm->start_data;
	mm->end_data = oldmm->end_data;
	mm->start_brk = oldmm->start_brk;
	mm->brk = oldmm->brk;
	mm->start_stack = oldmm->start_stack;
	mm->arg_start = oldmm->arg_start;
	mm->arg_end = oldmm->arg_end;
	mm->env_start = oldmm->env_start;
	mm->env_end = oldmm->env_end;
	memcpy(mm->saved_auxv, oldmm->saved_auxv, sizeof(mm->saved_auxv));
	spin_unlock(&oldmm->arg_lock);
#ifdef CONFIG_ARCH_HAS_ELF_CORE_EFLAGS
	mm->saved_e_flags = oldmm->saved_e_flags;
#endif
#ifdef CONFIG_KSM
	/* Counted down as the copies of these pages go; ksm_fork() counts them for all of KSM. */
	atomic_long_set(&mm->ksm_zero_pages, atomic_long_read(&oldmm->ksm_zero_pages));
#endif
#ifdef CONFIG_FUTEX
	/* Where the vDSO unlocks robust futexes, which is at the same address. */
	mm->futex.unlock = oldmm->futex.unlock;
#endif
	/* Not for children, and this is none: who may not do without it does not get rid of it. */
	if (mm_flags_test(MMF_HAS_MDWE_NO_INHERIT, oldmm)) {
		mm_flags_set(MMF_HAS_MDWE_NO_INHERIT, mm);
		mm_flags_set(MMF_HAS_MDWE, mm);
	}
	unshare_dup_mm_context(mm, oldmm);
}

/**
 * unshare_dup_mm - copy the address space of a task, as fork() does
 * @task: the running task
 *
 * Return: an address space with one user, or -ENOMEM, or -EINTR where a deadly
 * signal came while the copy waited for the lock of the old one.
 */
struct mm_struct *unshare_dup_mm(struct task_struct *task)
{
	struct mm_struct *oldmm = task->mm;
	struct mm_struct *mm = unshare_mm_alloc();
	int err;

	if (!mm)
		return ERR_PTR(-ENOMEM);
	dup_layout(mm, oldmm);

#ifdef CONFIG_UPROBES
	unshare_uprobe_start_dup_mmap();
#endif
	err = unshare_dup_mmap(mm, oldmm);
	if (!err && oldmm->binfmt) {
		if (try_module_get(oldmm->binfmt->module))
			mm->binfmt = oldmm->binfmt;
		else
			err = -ENOMEM;
	}
	if (err) {
		mmput(mm);
		mm = ERR_PTR(err);
	} else {
		mm->hiwater_rss = get_mm_rss(mm);
		mm->hiwater_vm = mm->total_vm;
	}
#ifdef CONFIG_UPROBES
	unshare_uprobe_end_dup_mmap();
#endif
	return mm;
}

/*
 * Whether the task itself, and not only its memory, is bound to the address
 * space: it steps through or has to return by a page of uprobes, which is in no
 * copy, or gives a device work by ENQCMD, with a register that names the
 * address space, or is one of those for whom tracers write to its user_events.
 */
bool unshare_is_bound_to_mm(struct task_struct *task)
{
#ifdef CONFIG_UPROBES
	if (task->utask && (task->utask->return_instances || task->utask->active_uprobe))
		return true;
#endif
#ifdef CONFIG_ARCH_HAS_CPU_PASID
	if (task->pasid_activated)
		return true;
#endif
#ifdef CONFIG_USER_EVENTS
	if (task->user_event_mm)
		return true;
#endif
	return false;
}

int unshare_lock_exec_update(struct task_struct *task)
{
	return down_write_killable(&task->signal->exec_update_lock);
}

void unshare_unlock_exec_update(struct task_struct *task)
{
	up_write(&task->signal->exec_update_lock);
}

/*
 * As futex_cleanup_begin(): who comes to wait for a PI futex of the task sleeps
 * until unshare_futex_end(), and looks again. Not where somebody waits already:
 * the kernel would look for the futex in the wrong address space, when the task
 * releases it by its end.
 */
bool unshare_futex_begin(struct task_struct *task)
{
#ifdef CONFIG_FUTEX
	bool is_free;

	mutex_lock(&task->futex.exit_mutex);
	raw_spin_lock_irq(&task->pi_lock);
	is_free = list_empty(&task->futex.pi_state_list);
	if (is_free)
		task->futex.state = FUTEX_STATE_EXITING;
	raw_spin_unlock_irq(&task->pi_lock);
	if (!is_free)
		mutex_unlock(&task->futex.exit_mutex);
	return is_free;
#else
	return true;
#endif
}

/* As futex_exec_done(), after the store to mm. */
void unshare_futex_end(struct task_struct *task)
{
#ifdef CONFIG_FUTEX
	raw_spin_lock_irq(&task->pi_lock);
	task->futex.state = FUTEX_STATE_OK;
	raw_spin_unlock_irq(&task->pi_lock);
	mutex_unlock(&task->futex.exit_mutex);
#endif
}

/* As task_exec_state_copy(), which goes with a copied address space: what makes it dumpable. */
struct task_exec_state *unshare_dup_exec_state(struct task_struct *task)
{
	struct task_exec_state *old = rcu_dereference_protected(task->exec_state, true);
	struct task_exec_state *new = unshare_alloc_task_exec_state(old->user_ns);

	if (new)
		new->dumpable = READ_ONCE(old->dumpable);
	return new;
}

/* Writes nothing: the word is in use until the task leaves, if it does. */
void unshare_fault_in_child_tid(struct task_struct *task)
{
	if (task->clear_child_tid)
		fault_in_safe_writeable((char __user *)task->clear_child_tid, sizeof(u32));
}

static void wake_futex(u32 __user *futex)
{
#ifdef CONFIG_FUTEX
	unshare_do_futex(futex, FUTEX_WAKE, 1, NULL, NULL, 0, 0);
#endif
}

/* As mm_release(): who waits for the task to leave the old address space is told there. */
void unshare_clear_child_tid(struct task_struct *task)
{
	u32 __user *tid = (u32 __user *)task->clear_child_tid;

	if (!tid)
		return;
	/* An address that is not one is its owner's loss, as at an exit. */
	if (!put_user(0, tid))
		wake_futex(tid);
	task->clear_child_tid = NULL;
}

void unshare_mm_cid_leave(struct task_struct *task)
{
#ifdef CONFIG_SCHED_MM_CID
	unshare_sched_mm_cid_before_execve(task);
#endif
}

void unshare_mm_cid_join(struct task_struct *task)
{
#ifdef CONFIG_SCHED_MM_CID
	unshare_sched_mm_cid_after_execve(task);
	/* As bprm_execve() of one that failed: programs are told of another id at a switch only. */
	rseq_force_update();
#endif
}

/*
 * As exec_mmap() and kthread_use_mm(), under task_lock: from here on the task
 * runs in the new address space. Returns the old one.
 */
struct mm_struct *unshare_mm_install(struct task_struct *task, struct mm_struct *mm)
{
	struct mm_struct *oldmm = task->mm;

	local_irq_disable();
	task->active_mm = mm;
	task->mm = mm;
#ifdef CONFIG_SCHED_CACHE
	unshare_sched_cache_exec_mmap(task, mm);
#endif
#ifdef CONFIG_MEMBARRIER
	unshare_membarrier_update_current_mm(mm);
#endif
	unshare_switch_mm(oldmm, mm, task);
	local_irq_enable();
	/* For membarrier(2), between the store to mm and the first access to user memory. */
	smp_mb();
#ifdef CONFIG_LRU_GEN_WALKS_MMU
	unshare_lru_gen_add_mm(mm);
#endif
	lru_gen_use_mm(mm);
	return oldmm;
}

struct task_exec_state *unshare_exec_state_install(struct task_struct *task,
						   struct task_exec_state *exec_state)
{
	return unshare_task_exec_state_replace(task, exec_state);
}

/* As exec_mm_put_old(), up to the put. */
void unshare_mm_left(struct task_struct *task, struct mm_struct *oldmm)
{
	setmax_mm_hiwater_rss(&task->signal->maxrss, oldmm);
#ifdef CONFIG_MEMCG
	unshare_mm_update_next_owner(oldmm);
#endif
}

/* As complete_vfork_done(). */
void unshare_complete_vfork(struct task_struct *task)
{
	struct completion *vfork;

	task_lock(task);
	vfork = task->vfork_done;
	if (vfork) {
		task->vfork_done = NULL;
		complete(vfork);
	}
	task_unlock(task);
}
