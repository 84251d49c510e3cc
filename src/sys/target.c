// SPDX-License-Identifier: GPL-2.0
/*
 * Taking part in another task's context: what setns() of kernel/nsproxy.c does
 * with a pidfd, and chroot() and fchdir() of fs/open.c with links of /proc/PID.
 */
#include <linux/capability.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/key.h>
#include <linux/pid_namespace.h>
#include <linux/proc_ns.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/security.h>
#include <linux/task_work.h>
#include <linux/user_namespace.h>

#include "target.h"
#include "unexported.h"

/**
 * unshare_pid_of_fd - the task that a pidfd stands for
 * @pidfd: descriptor of the running task
 *
 * Return: a reference, or -EBADF, or -EINVAL where it is not a pidfd, as of setns().
 */
struct pid *unshare_pid_of_fd(int pidfd)
{
	struct file *file = fget(pidfd);
	struct pid *pid;

	if (!file)
		return ERR_PTR(-EBADF);
	pid = unshare_pidfd_pid(file);
	pid = IS_ERR(pid) ? ERR_PTR(-EINVAL) : get_pid(pid);
	fput(file);
	return pid;
}

/**
 * unshare_target_pin - hold what a task has
 * @pid:    the task
 * @kinds:  what is wanted of it: namespaces, and CLONE_FS for its directories
 * @target: zeroed; to be unpinned on failure too
 *
 * Return: 0; -ESRCH where the task has given up what is wanted; -EPERM where it
 * may not be looked at as by ptrace, and -EACCES where that is about its
 * directories, as of opening /proc/PID/root.
 */
int unshare_target_pin(struct pid *pid, u64 kinds, struct unshare_target *target)
{
	struct task_struct *task;
	struct fs_struct *fs;

	guard(rcu)();
	task = pid_task(pid, PIDTYPE_PID);
	if (!task)
		return -ESRCH;
	if ((kinds & ~CLONE_FS) &&
	    !unshare_ptrace_may_access(task, PTRACE_MODE_READ_REALCREDS))
		return -EPERM;
	if ((kinds & CLONE_FS) && !unshare_ptrace_may_access(task, PTRACE_MODE_READ_FSCREDS))
		return -EACCES;

	guard(task_lock)(task);
	if (!task->nsproxy)
		return -ESRCH;
	fs = unshare_task_fs(task);
	if (kinds & CLONE_FS) {
		if (!fs)
			return -ESRCH;
		read_seqlock_excl(&fs->seq);
		target->root = fs->root;
		target->pwd = fs->pwd;
		path_get(&target->root);
		path_get(&target->pwd);
		read_sequnlock_excl(&fs->seq);
	}
	/* A task that has not been released yet may have no PID any more. */
	target->pid_ns = task_active_pid_ns(task);
	if (!target->pid_ns)
		return -ESRCH;
	get_pid_ns(target->pid_ns);
	target->user_ns = get_user_ns(__task_cred(task)->user_ns);
	target->nsproxy = task->nsproxy;
	get_nsproxy(target->nsproxy);
	return 0;
}

/*
 * Is a task where no change of its context can be half done? Between its
 * nsproxy, its credentials and its fs_struct, unshare(), setns() and our own
 * commit sleep in TASK_UNINTERRUPTIBLE at most.
 */
static bool is_at_rest(struct task_struct *task)
{
	unsigned int rest = TASK_INTERRUPTIBLE | TASK_WAKEKILL | __TASK_STOPPED |
			    __TASK_TRACED | TASK_FROZEN;

	/* Only the task itself changes its flags, by plain stores: who asks again sees it in time. */
	if (task == current || (data_race(READ_ONCE(task->flags)) &
				(PF_EXITING | PF_KTHREAD | PF_USER_WORKER)))
		return true;
	/* What the task has changed before it went to sleep is seen after this. */
	return smp_load_acquire(&task->__state) & rest;
}

/**
 * unshare_target_settle - wait until a task is not in the middle of a change
 * @pid: the task
 *
 * What a task has before and after this, it has by no change that is half done.
 *
 * Waits for a task that runs to return to user mode. The work by which it says
 * so is the kernel's own function, since the task may still be in it when we
 * have gone on, and the module with us.
 *
 * Return: 0, or -EINTR for who is killed meanwhile.
 */
int unshare_target_settle(struct pid *pid)
{
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);
	struct rcu_synchronize returned;
	long left = 1;

	if (!task)
		return 0;
	if (is_at_rest(task))
		goto out;
	init_completion(&returned.completion);
	init_task_work(&returned.head, wakeme_after_rcu);
	if (task_work_add(task, &returned.head, TWA_RESUME))
		goto out;	/* It has no way back to user mode. */
	do {
		left = wait_for_completion_killable_timeout(&returned.completion,
							    max(HZ / 100, 1));
	} while (!left && !is_at_rest(task));
	if (left <= 0 && !unshare_task_work_cancel(task, &returned.head))
		wait_for_completion(&returned.completion);
out:
	put_task_struct(task);
	return left < 0 ? -EINTR : 0;
}

/**
 * unshare_target_is_unchanged - does the task still have what was pinned?
 * @pid:    the task
 * @kinds:  what of it is wanted
 * @target: what it had
 *
 * A task changes its namespaces, its credentials and its directories one after
 * the other. Who was pinned in between is found changed when it has settled.
 */
bool unshare_target_is_unchanged(struct pid *pid, u64 kinds,
				 const struct unshare_target *target)
{
	struct task_struct *task;
	struct fs_struct *fs;
	bool same = true;

	guard(rcu)();
	task = pid_task(pid, PIDTYPE_PID);
	if (!task)
		return false;
	guard(task_lock)(task);
	if (kinds & UNSHARE_NSPROXY)
		same = task->nsproxy == target->nsproxy;
	if (kinds & CLONE_NEWUSER)
		same = same && __task_cred(task)->user_ns == target->user_ns;
	if (kinds & CLONE_FS) {
		fs = unshare_task_fs(task);
		if (!fs)
			return false;
		read_seqlock_excl(&fs->seq);
		same = same && path_equal(&fs->root, &target->root);
		read_sequnlock_excl(&fs->seq);
	}
	return same;
}

void unshare_target_unpin(struct unshare_target *target)
{
	if (target->nsproxy)
		unshare_put_nsproxy(target->nsproxy);
	if (target->user_ns)
		put_user_ns(target->user_ns);
	if (target->pid_ns)
		put_pid_ns(target->pid_ns);
	/* For speed: most who attach want no directories. */
	if (target->root.mnt) {
		path_put(&target->root);
		path_put(&target->pwd);
	}
}

static struct ns_common *target_ns(const struct unshare_target *target, u64 kind)
{
	struct nsproxy *nsproxy = target->nsproxy;

	switch (kind) {
	case CLONE_NEWNS:
		return unshare_from_mnt_ns(nsproxy->mnt_ns);
	case CLONE_NEWUTS:
		return &nsproxy->uts_ns->ns;
	case CLONE_NEWIPC:
		return &nsproxy->ipc_ns->ns;
	case CLONE_NEWPID:
		return &target->pid_ns->ns;
	case CLONE_NEWCGROUP:
		return &nsproxy->cgroup_ns->ns;
	case CLONE_NEWNET:
		return &nsproxy->net_ns->ns;
	default:
		return NULL;
	}
}

/**
 * unshare_target_install - put one namespace of a task into a set
 * @target:  the task
 * @kind:    CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID,
 *           CLONE_NEWCGROUP or CLONE_NEWNET
 * @nsproxy: the set, which no task is in
 * @fs:      for CLONE_NEWNS, what is moved to the root of the namespace
 * @cred:    the credentials that the running task is to have with the set
 *
 * Return: 0, or the errno by which the namespace refuses, as of setns().
 */
int unshare_target_install(const struct unshare_target *target, u64 kind,
			   struct nsproxy *nsproxy, struct fs_struct *fs,
			   const struct cred *cred)
{
	struct ns_common *ns = target_ns(target, kind);
	struct nsset nsset = {
		.flags = kind,
		.nsproxy = nsproxy,
		.fs = fs,
		.cred = cred ?: current_cred(),
	};

	return unshare_install_ns(&nsset, ns);
}

/*
 * As userns_install() and set_cred_user_ns() of kernel/user_namespace.c, but
 * for two checks: attach.rs makes that of threads, and a shared fs_struct gives
 * way to a private one in the same request.
 */
int unshare_target_install_user(const struct unshare_target *target, struct cred *cred)
{
	if (target->user_ns == current_user_ns())
		return -EINVAL;
	if (!ns_capable(target->user_ns, CAP_SYS_ADMIN))
		return -EPERM;

	put_user_ns(cred->user_ns);
	cred->user_ns = get_user_ns(target->user_ns);
	cred->securebits = unshare_user_ns_securebits(cred);
	cred->cap_inheritable = CAP_EMPTY_SET;
	cred->cap_permitted = CAP_FULL_SET;
	cred->cap_effective = CAP_FULL_SET;
	cred->cap_ambient = CAP_EMPTY_SET;
	cred->cap_bset = CAP_FULL_SET;
#ifdef CONFIG_KEYS
	key_put(cred->request_key_auth);
	cred->request_key_auth = NULL;
#endif
	return unshare_set_cred_ucounts(cred) < 0 ? -EINVAL : 0;
}

/*
 * As timens_install() of kernel/time/namespace.c. The clocks of a time
 * namespace are mapped into the address space, which nobody may share: nobody
 * does who leaves it in the same request.
 */
int unshare_target_install_time(const struct unshare_target *target,
				struct nsproxy *nsproxy, const struct cred *cred,
				bool leaves_mm)
{
	struct time_namespace *ns = target->nsproxy->time_ns;

	if (!leaves_mm && !unshare_current_is_single_threaded())
		return -EUSERS;
	if (!cred)
		cred = current_cred();
	if (!ns_capable(ns->user_ns, CAP_SYS_ADMIN) ||
	    !ns_capable(cred->user_ns, CAP_SYS_ADMIN))
		return -EPERM;

	get_time_ns(ns);
	unshare_put_time_ns(nsproxy->time_ns);
	nsproxy->time_ns = ns;
	get_time_ns(ns);
	unshare_put_time_ns(nsproxy->time_ns_for_children);
	nsproxy->time_ns_for_children = ns;
	return 0;
}

static void set_path(struct path *path, const struct path *new)
{
	path_get(new);
	path_put(path);
	*path = *new;
}

/**
 * unshare_target_install_fs - go to the root and working directory of a task
 * @target: the task
 * @fs:     what no task has yet
 * @cred:   the credentials that the running task is to have with it, or NULL
 *
 * As chroot() and fchdir() to the links of /proc/PID.
 *
 * Return: whether the root is another one than before, or -EACCES, or -EPERM.
 */
int unshare_target_install_fs(const struct unshare_target *target, struct fs_struct *fs,
			      const struct cred *cred)
{
	bool moved = !path_equal(&fs->root, &target->root);
	int err;

	scoped_with_creds(cred ?: current_cred()) {
		err = path_permission(&target->root, MAY_EXEC | MAY_CHDIR);
		if (!err && !ns_capable(current_user_ns(), CAP_SYS_CHROOT))
			err = -EPERM;
#ifdef CONFIG_SECURITY_PATH
		if (!err)
			err = unshare_security_path_chroot(&target->root);
#endif
		if (!err)
			err = path_permission(&target->pwd, MAY_EXEC | MAY_CHDIR);
	}
	if (err)
		return err;
	set_path(&fs->root, &target->root);
	set_path(&fs->pwd, &target->pwd);
	return moved;
}
