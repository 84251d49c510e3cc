/* SPDX-License-Identifier: GPL-2.0 */
/* Linux 7.2, where a later series does it otherwise. */
#ifndef _UNSHARE_SERIES_H
#define _UNSHARE_SERIES_H

#include <linux/cred.h>
#include <linux/fs_struct.h>
#include <linux/nsproxy.h>
#include <linux/proc_ns.h>
#include <linux/sched.h>
#include <linux/securebits.h>

/* More of UNSHARE_UNEXPORTED(). */
#define UNSHARE_SERIES_UNEXPORTED(X)

/* Under task_lock, or of the running task. */
static inline struct fs_struct *unshare_task_fs(struct task_struct *task)
{
	return task->fs;
}

static inline void unshare_set_task_fs(struct task_struct *task, struct fs_struct *fs)
{
	task->fs = fs;
}

/* How many of its users are no tasks. */
static inline int unshare_fs_kernel_users(const struct fs_struct *fs)
{
	return 0;
}

/* Whether a step of unshare_task_left_fs() is still to come for a locked fs_struct. */
static inline bool unshare_fs_is_half_left(const struct fs_struct *fs)
{
	return false;
}

/* The running task has left an fs_struct, which may be gone: what else there is to do. */
static inline void unshare_task_left_fs(const struct fs_struct *old)
{
}

/* As validate_ns(), of a set that the running task is not in. */
static inline int unshare_install_ns(struct nsset *nsset, struct ns_common *ns)
{
	return ns->ops->install(nsset, ns);
}

/* Of credentials that are put into another user namespace: as set_cred_user_ns(). */
static inline unsigned int unshare_user_ns_securebits(const struct cred *cred)
{
	return SECUREBITS_DEFAULT;
}

#endif /* _UNSHARE_SERIES_H */
