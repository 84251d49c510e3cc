/* SPDX-License-Identifier: GPL-2.0 */
/* What Linux 7.2 does differently from a later series. */
#ifndef _UNSHARE_SERIES_H
#define _UNSHARE_SERIES_H

#include <linux/cred.h>
#include <linux/fs_struct.h>
#include <linux/nsproxy.h>
#include <linux/proc_ns.h>
#include <linux/sched.h>
#include <linux/securebits.h>

/* Returns whether the root is failfs. */
static inline bool unshare_fs_root_is_failfs(const struct fs_struct *fs)
{
	return false;
}

/* Whether setns(2) can move the root and working directory of tasks that share an fs_struct. */
#define UNSHARE_SERIES_SETNS_MOVES_SHARERS 1

/* Additions to UNSHARE_UNEXPORTED(). */
#define UNSHARE_SERIES_UNEXPORTED(X)

/* The task must be locked, or be the running task. */
static inline struct fs_struct *unshare_task_fs(struct task_struct *task)
{
	return task->fs;
}

static inline void unshare_set_task_fs(struct task_struct *task, struct fs_struct *fs)
{
	task->fs = fs;
}

/* Returns how many of the users are not tasks. */
static inline int unshare_fs_kernel_users(const struct fs_struct *fs)
{
	return 0;
}

/* Returns whether unshare_task_left_fs() has done only one of its steps for a locked fs_struct. */
static inline bool unshare_fs_is_half_left(const struct fs_struct *fs)
{
	return false;
}

/* Called when the running task has left @old, which may have been freed. */
static inline void unshare_task_left_fs(const struct fs_struct *old)
{
}

/* Mirrors validate_ns(), for an nsproxy that the running task does not use. */
static inline int unshare_install_ns(struct nsset *nsset, struct ns_common *ns)
{
	return ns->ops->install(nsset, ns);
}

/* Mirrors set_cred_user_ns(), for credentials that move to another user namespace. */
static inline unsigned int unshare_user_ns_securebits(const struct cred *cred)
{
	return SECUREBITS_DEFAULT;
}

#endif /* _UNSHARE_SERIES_H */
