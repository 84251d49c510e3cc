// SPDX-License-Identifier: GPL-2.0
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "mm/mm.h"
#include "unexported.h"

struct sighand_struct *unshare_alloc_sighand(void)
{
	return kmem_cache_alloc(*unshare_sighand_cachep, GFP_KERNEL);
}

void unshare_begin_sighand(struct sighand_struct *sighand)
{
	refcount_set(&sighand->count, 1);
}

struct sighand_struct *unshare_task_sighand(struct task_struct *task)
{
	return task->sighand;
}

void unshare_set_task_sighand(struct task_struct *task, struct sighand_struct *sighand)
{
	rcu_assign_pointer(task->sighand, sighand);
}

spinlock_t *unshare_siglock(struct sighand_struct *sighand)
{
	return &sighand->siglock;
}

void unshare_copy_actions(struct sighand_struct *sighand, struct sighand_struct *old)
{
	memcpy(sighand->action, old->action, sizeof(sighand->action));
}

void unshare_write_lock_tasklist(void)
{
	write_lock_irq(unshare_tasklist_lock);
}

void unshare_write_unlock_tasklist(void)
{
	write_unlock_irq(unshare_tasklist_lock);
}
