// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/cgroup.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/proc_ns.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/security.h>
#include <linux/user_namespace.h>
#include <asm/syscall.h>

#include "../helpers.h"
#include "../unexported.h"
#include "target.h"

struct pid *unshare_get_pid(struct pid *pid)
{
	return get_pid(pid);
}

/* Lives as long as the task_struct, which holds the signal_struct. */
struct rw_semaphore *unshare_exec_update_lock(struct task_struct *task)
{
	return &task->signal->exec_update_lock;
}

/* The idle task, which is never gone. */
struct task_struct *unshare_first_process(void)
{
	return &init_task;
}

void unshare_get_nsproxy(struct nsproxy *ns)
{
	get_nsproxy(ns);
}

/* Under RCU. */
const struct cred *unshare_real_cred_of(struct task_struct *task)
{
	return __task_cred(task);
}

/* Compared and not followed, and so without the task's lock. */
struct fs_struct *unshare_peek_fs(struct task_struct *task)
{
	return data_race(unshare_task_fs(task));
}

void unshare_lock_fs(struct fs_struct *fs)
{
	read_seqlock_excl(&fs->seq);
}

void unshare_unlock_fs(struct fs_struct *fs)
{
	read_sequnlock_excl(&fs->seq);
}

int unshare_locked_fs_users(const struct fs_struct *fs)
{
	return fs->users - unshare_fs_kernel_users(fs);
}

struct path *unshare_fs_root(struct fs_struct *fs)
{
	return &fs->root;
}

struct path *unshare_fs_pwd(struct fs_struct *fs)
{
	return &fs->pwd;
}

/* Only the task itself changes these three, by plain stores. */
unsigned int unshare_flags_of(struct task_struct *task)
{
	return data_race(READ_ONCE(task->flags));
}

int unshare_syscall_of(struct task_struct *task)
{
	return data_race(unshare_syscall_number(task));
}

bool unshare_is_compat(struct task_struct *task)
{
	return data_race(unshare_in_compat_syscall(task));
}

/* By a signal, a tracer, or the freezer of cgroup v2. */
bool unshare_is_stopped(struct task_struct *task)
{
	return task_is_stopped_or_traced(task) || data_race(cgroup_task_frozen(task));
}

struct ns_common *unshare_mnt_ns_of(struct nsproxy *ns)
{
	return unshare_from_mnt_ns(ns->mnt_ns);
}

struct ns_common *unshare_uts_ns_of(struct nsproxy *ns)
{
	return &ns->uts_ns->ns;
}

struct ns_common *unshare_ipc_ns_of(struct nsproxy *ns)
{
	return &ns->ipc_ns->ns;
}

struct ns_common *unshare_cgroup_ns_of(struct nsproxy *ns)
{
	return &ns->cgroup_ns->ns;
}

struct ns_common *unshare_net_ns_of(struct nsproxy *ns)
{
	return &ns->net_ns->ns;
}

struct ns_common *unshare_pid_ns(struct pid_namespace *ns)
{
	return &ns->ns;
}

int unshare_install(struct nsset *nsset, struct ns_common *ns)
{
	return unshare_install_ns(nsset, ns);
}

void unshare_get_time_ns(struct time_namespace *ns)
{
	get_time_ns(ns);
}

struct user_namespace *unshare_owner_of_time_ns(struct time_namespace *ns)
{
	return ns->user_ns;
}

/* As chroot(2) and fchdir(2) ask. */
int unshare_may_enter(const struct path *path)
{
	return path_permission(path, MAY_EXEC | MAY_CHDIR);
}

bool unshare_may_chroot(void)
{
	return ns_capable(current_user_ns(), CAP_SYS_CHROOT);
}

/* A kernel without such security modules has no function to call. */
int unshare_security_chroot(const struct path *path)
{
#ifdef CONFIG_SECURITY_PATH
	return unshare_security_path_chroot(path);
#else
	return 0;
#endif
}
