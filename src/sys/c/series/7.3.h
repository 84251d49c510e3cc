/* SPDX-License-Identifier: GPL-2.0 */
/* Linux 7.3, where an earlier series does it otherwise. */
#ifndef _UNSHARE_SERIES_H
#define _UNSHARE_SERIES_H

#include <linux/cred.h>
#include <linux/fs_struct.h>
#include <linux/nsproxy.h>
#include <linux/path.h>
#include <linux/printk.h>
#include <linux/proc_ns.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/securebits.h>

#define UNSHARE_SERIES_UNEXPORTED(X)								\
	X(CLONE_FS | CLONE_NEWNS | CLONE_NEWUSER, void, set_fs_root,				\
	  (struct fs_struct *fs, const struct path *path), (fs, path))				\
	X(CLONE_FS | CLONE_NEWNS | CLONE_NEWUSER, void, set_fs_pwd,				\
	  (struct fs_struct *fs, const struct path *path), (fs, path))

void unshare_set_fs_root(struct fs_struct *fs, const struct path *path);
void unshare_set_fs_pwd(struct fs_struct *fs, const struct path *path);

/*
 * A task has two: real_fs is its own, and fs the one that paths are looked up
 * with, which a kernel thread has point to that of PID 1 for a while.
 */
static inline struct fs_struct *unshare_task_fs(struct task_struct *task)
{
	return task->real_fs;
}

static inline void unshare_set_task_fs(struct task_struct *task, struct fs_struct *fs)
{
	task->fs = fs;
	task->real_fs = fs;
}

/* How many of its users are no tasks: init_userspace_fs() counts its pointer. */
static inline int unshare_fs_kernel_users(const struct fs_struct *fs)
{
	return fs == userspace_init_fs;
}

/*
 * Of a locked fs_struct: whether it may be between the two steps of unshare_task_left_fs() or of
 * validate_fs_switch(), which no number of a system call of its users tells.
 */
static inline bool unshare_fs_is_half_left(const struct fs_struct *fs)
{
	const struct path *nowhere = &init_task.real_fs->root;

	return fs == userspace_init_fs &&
	       path_equal(&fs->root, nowhere) != path_equal(&fs->pwd, nowhere);
}

/*
 * As validate_fs_switch(): where PID 1 has left the fs_struct that kernel
 * threads look paths up with, these are to find nothing any more.
 */
static inline void unshare_task_left_fs(const struct fs_struct *old)
{
	const struct path *nowhere = &init_task.real_fs->root;

	if (likely(current->pid != 1) || old != userspace_init_fs)
		return;
	pr_warn("unshare: PID 1 stopped sharing file system information\n");
	unshare_set_fs_root(userspace_init_fs, nowhere);
	unshare_set_fs_pwd(userspace_init_fs, nowhere);
}

/*
 * As validate_ns(), of a set that the running task is not in. mntns_install()
 * refuses if current->fs is shared, though it moves nsset->fs. So current->fs is
 * the private copy for as long as that runs; as with scoped_with_init_fs(),
 * nobody else follows it. Only check_unsafe_exec() of a sibling compares it: it
 * counts one user of the shared fs_struct too few among its own threads, and has
 * a set-user-ID program run without its privileges. The manual says so.
 */
static inline int unshare_install_ns(struct nsset *nsset, struct ns_common *ns)
{
	struct fs_struct *fs = current->fs;
	int err;

	if (nsset->fs && data_race(READ_ONCE(fs->users)) != 1)
		WRITE_ONCE(current->fs, nsset->fs);
	err = ns->ops->install(nsset, ns);
	WRITE_ONCE(current->fs, fs);
	return err;
}

/* As set_cred_user_ns(): what a task has put on itself for its programs stays. */
static inline unsigned int unshare_user_ns_securebits(const struct cred *cred)
{
	return SECUREBITS_DEFAULT |
	       (cred->securebits & (SECURE_ALL_UNPRIVILEGED | SECURE_ALL_UNPRIVILEGED << 1));
}

#endif /* _UNSHARE_SERIES_H */
