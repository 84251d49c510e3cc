// SPDX-License-Identifier: GPL-2.0
/*
 * What other tasks have in common with the running one.
 */
#include <linux/cred.h>
#include <linux/nsproxy.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "helpers.h"

static u64 common_namespaces(const struct nsproxy *mine, const struct nsproxy *its)
{
	return (mine->mnt_ns == its->mnt_ns ? CLONE_NEWNS : 0) |
	       (mine->uts_ns == its->uts_ns ? CLONE_NEWUTS : 0) |
	       (mine->ipc_ns == its->ipc_ns ? CLONE_NEWIPC : 0) |
	       (mine->net_ns == its->net_ns ? CLONE_NEWNET : 0) |
	       (mine->cgroup_ns == its->cgroup_ns ? CLONE_NEWCGROUP : 0) |
	       (mine->pid_ns_for_children == its->pid_ns_for_children ? CLONE_NEWPID : 0) |
	       (mine->time_ns_for_children == its->time_ns_for_children ? CLONE_NEWTIME : 0);
}

/* Compared and not followed, and so without a lock. */
static u64 common_memory(struct task_struct *me, struct task_struct *it)
{
	u64 common = 0;

	if (me->sighand == READ_ONCE(it->sighand))
		common |= CLONE_SIGHAND;
	if (me->signal == it->signal)
		common |= CLONE_THREAD;
	/*
	 * A kernel thread has an mm only while it works for the mm's owner. The
	 * task changes its mm and other flags by plain stores meanwhile.
	 */
	if (me->mm == data_race(READ_ONCE(it->mm)) && !data_race(it->flags & PF_KTHREAD))
		common |= CLONE_VM;
	return common;
}

/*
 * fs, files and nsproxy of the other task are stable under its task_lock; its
 * undo list is compared and not followed. It holds its namespaces for as long
 * as it has an nsproxy.
 */
static u64 common_contexts(struct task_struct *me, struct task_struct *it)
{
	u64 common = 0;

	if (unshare_task_fs(me) == unshare_task_fs(it))
		common |= CLONE_FS;
	if (me->files == it->files)
		common |= CLONE_FILES;
#ifdef CONFIG_SYSVIPC
	/* It takes and leaves its list without a lock, and by plain stores. */
	if (me->sysvsem.undo_list &&
	    me->sysvsem.undo_list == data_race(READ_ONCE(it->sysvsem.undo_list)))
		common |= CLONE_SYSVSEM;
#endif
	if (it->nsproxy) {
		common |= common_namespaces(me->nsproxy, it->nsproxy);
		if (task_cred_xxx(me, user_ns) == task_cred_xxx(it, user_ns))
			common |= CLONE_NEWUSER;
	}
	return common;
}

/* Those that have no other user at all, so that there is no need to look for one. */
static u64 own_contexts(struct task_struct *me)
{
	u64 own = 0;

	if (atomic_read(&me->mm->mm_users) == 1)
		own |= CLONE_VM;
	if (refcount_read(&me->sighand->count) == 1)
		own |= CLONE_SIGHAND;
	if (thread_group_empty(me))
		own |= CLONE_THREAD;
	if (!unshare_fs_is_shared(me))
		own |= CLONE_FS;
	if (!unshare_files_is_shared(me))
		own |= CLONE_FILES;
	if (!unshare_has_undo_list(me))
		own |= CLONE_SYSVSEM;
	return own;
}

/**
 * unshare_shared_contexts - which contexts does the running task share?
 * @wanted: those of interest
 *
 * What has more than one user may have a reader of /proc/PID for one, who holds
 * an mm for a moment: so it is looked for in each other task, much as
 * current_is_single_threaded() does.
 *
 * Return: those in @wanted that another task uses too.
 */
u64 unshare_shared_contexts(u64 wanted)
{
	const u64 memory = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
	struct task_struct *process, *task;
	u64 shared = 0;

	wanted &= ~own_contexts(current);
	if (!wanted)
		return 0;

	rcu_read_lock();
	for_each_process_thread(process, task) {
		if (task == current)
			continue;
		shared |= common_memory(current, task);
		/* If it has left its mm to exit: whom it forked before comes next. */
		smp_rmb();
		/* For speed: no lock of each task for who asks of memory only. */
		if (wanted & ~memory) {
			task_lock(task);
			shared |= common_contexts(current, task);
			task_unlock(task);
		}
		/* The loops are two. */
		if ((shared & wanted) == wanted)
			goto out;
	}
out:
	rcu_read_unlock();
	return shared & wanted;
}
