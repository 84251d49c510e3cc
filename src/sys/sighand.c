// SPDX-License-Identifier: GPL-2.0
/*
 * Own signal handlers: unshare_sighand() of fs/exec.c, which is static, in two
 * steps, the second of which cannot fail.
 */
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "mm.h"
#include "unexported.h"

struct sighand_struct *unshare_alloc_sighand(void)
{
	struct sighand_struct *sighand =
		kmem_cache_alloc(*unshare_sighand_cachep, GFP_KERNEL);

	if (sighand)
		refcount_set(&sighand->count, 1);
	return sighand;
}

void unshare_free_sighand(struct sighand_struct *sighand)
{
	unshare___cleanup_sighand(sighand);
}

/*
 * The actions are copied under the lock that guards them, and a signal that
 * another task sends meanwhile finds the old handlers or the new ones, which
 * are the same. Returns the old ones.
 */
struct sighand_struct *unshare_sighand_install(struct task_struct *task,
					       struct sighand_struct *new)
{
	struct sighand_struct *old = task->sighand;

	write_lock_irq(unshare_tasklist_lock);
	spin_lock(&old->siglock);
	memcpy(new->action, old->action, sizeof(new->action));
	rcu_assign_pointer(task->sighand, new);
	spin_unlock(&old->siglock);
	write_unlock_irq(unshare_tasklist_lock);
	return old;
}
