/* SPDX-License-Identifier: GPL-2.0 */
/* What Linux 7.3 does differently from an earlier series. */
#ifndef _UNSHARE_SERIES_H
#define _UNSHARE_SERIES_H

#include <linux/cred.h>
#include <linux/fs_struct.h>
#include <linux/nsproxy.h>
#include <linux/path.h>
#include <linux/printk.h>
#include <linux/proc_ns.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/securebits.h>

/* Returns whether the root is failfs, which fchroot(2) gives to tasks with no_new_privs. */
static inline bool unshare_fs_root_is_failfs(const struct fs_struct *fs)
{
	return fs->root.mnt->mnt_sb->s_magic == FAIL_FS_MAGIC;
}

/* setns(2) refuses a shared fs_struct: mntns_install(). */
#define UNSHARE_SERIES_SETNS_MOVES_SHARERS 0

#define UNSHARE_SERIES_UNEXPORTED(X)								\
	X(CLONE_FS | CLONE_NEWNS | CLONE_NEWUSER, void, set_fs_root,				\
	  (struct fs_struct *fs, const struct path *path), (fs, path))				\
	X(CLONE_FS | CLONE_NEWNS | CLONE_NEWUSER, void, set_fs_pwd,				\
	  (struct fs_struct *fs, const struct path *path), (fs, path))

void unshare_set_fs_root(struct fs_struct *fs, const struct path *path);
void unshare_set_fs_pwd(struct fs_struct *fs, const struct path *path);

/*
 * A task has two pointers: real_fs is its own fs_struct, and fs is the one that path
 * lookups use. A kernel thread points fs to that of PID 1 for a while.
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

/* Returns how many of the users are not tasks: init_userspace_fs() counts userspace_init_fs. */
static inline int unshare_fs_kernel_users(const struct fs_struct *fs)
{
	return fs == userspace_init_fs;
}

/*
 * Returns whether unshare_task_left_fs() or validate_fs_switch() may have done only one
 * of its two steps for a locked fs_struct. The system call numbers of its users do not
 * show that.
 */
static inline bool unshare_fs_is_half_left(const struct fs_struct *fs)
{
	const struct path *nowhere = &init_task.real_fs->root;

	return fs == userspace_init_fs &&
	       path_equal(&fs->root, nowhere) != path_equal(&fs->pwd, nowhere);
}

/*
 * Mirrors validate_fs_switch(): kernel threads look up paths with the fs_struct of PID 1.
 * When PID 1 has left it, they must not find anything any more. A thread of PID 1 that
 * exits does not leave it: exit_fs() does not call validate_fs_switch(), and the other
 * threads, or the program that one of them executes, go on with that fs_struct.
 */
static inline void unshare_task_left_fs(const struct fs_struct *old)
{
	const struct path *nowhere = &init_task.real_fs->root;

	if (likely(current->pid != 1) || old != userspace_init_fs || current->flags & PF_EXITING)
		return;
	pr_warn("unshare: PID 1 stopped sharing file system information\n");
	unshare_set_fs_root(userspace_init_fs, nowhere);
	unshare_set_fs_pwd(userspace_init_fs, nowhere);
}

/*
 * Mirrors validate_ns(), for an nsproxy that the running task does not use.
 * mntns_install() refuses if current->fs is shared, though it moves nsset->fs. So
 * current->fs points to the private copy during the call. As with scoped_with_init_fs(),
 * no other task follows it. But check_unsafe_exec() of a sibling thread compares it: it
 * finds one user of the shared fs_struct too few among its own threads, and a
 * set-user-ID program then runs without its privileges. The manual says so.
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

/* Mirrors set_cred_user_ns(): the restrictions that a task has put on itself stay. */
static inline unsigned int unshare_user_ns_securebits(const struct cred *cred)
{
	return SECUREBITS_DEFAULT |
	       (cred->securebits & (SECURE_ALL_UNPRIVILEGED | SECURE_ALL_UNPRIVILEGED << 1));
}

#endif /* _UNSHARE_SERIES_H */
