// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions and macros of the kernel, and fields of its structures, as
 * one-line functions. Each longer function says why it is in C.
 */
#include <linux/capability.h>
#include <linux/fault-inject-usercopy.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/key.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/proc_ns.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/shm.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <linux/utsname.h>

#include "helpers.h"
#include "unexported.h"

/* The `module!` macro has no key for the version. */
MODULE_VERSION(UNSHARE_VERSION);

/*
 * In C, because unsafe_get_user() jumps to the label by asm goto, which Rust does
 * not have. For speed: reading a few words inline takes less time than calling a
 * function for any size. Fault injection works as in copy_from_user().
 */
int unshare_copy_args_from_user(struct unshare_args *args, const void __user *src)
{
	enum { WORDS = sizeof(*args) / sizeof(u64) };
	const u64 __user *from = src;
	u64 *to = (u64 *)args;

	static_assert(sizeof(*args) % sizeof(u64) == 0);
	might_fault();
	if (should_fail_usercopy())
		return -EFAULT;
	scoped_user_read_access_size(from, sizeof(*args), fault) {
		_Pragma("GCC unroll 8")
		for (size_t i = 0; i < WORDS; i++)
			unsafe_get_user(to[i], &from[i], fault);
	}
	return 0;
fault:
	return -EFAULT;
}

/* In C, and for speed, for the same reasons. */
int unshare_put_user_pair(u64 __user *to, u64 first, u64 second)
{
	might_fault();
	if (should_fail_usercopy())
		return -EFAULT;
	scoped_user_write_access_size(to, 2 * sizeof(u64), fault) {
		unsafe_put_user(first, &to[0], fault);
		unsafe_put_user(second, &to[1], fault);
	}
	return 0;
fault:
	return -EFAULT;
}

/* Mirrors set_cred_user_ns() of kernel/user_namespace.c, which is static. */
void unshare_set_cred_user_ns(struct cred *cred, struct user_namespace *user_ns)
{
	put_user_ns(cred->user_ns);
	cred->user_ns = get_user_ns(user_ns);
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
}

/*
 * Gives the task a new fs_struct and returns the old one, as ksys_unshare() does.
 * If *@last, the task was its last user, and the caller owns it. Must be called
 * with task_lock held. In C, because the fields of a task differ between series,
 * and the seqlock around the count is held for two statements only.
 */
struct fs_struct *unshare_fs_install(struct task_struct *task, struct fs_struct *new,
				     bool *last)
{
	struct fs_struct *old = unshare_task_fs(task);

	read_seqlock_excl(&old->seq);
	unshare_set_task_fs(task, new);
	*last = !--old->users;
	read_sequnlock_excl(&old->seq);
	return old;
}

/* As unshare_fs_install(), but the task still counts as a user of the old fs_struct. */
struct fs_struct *unshare_fs_park(struct task_struct *task, struct fs_struct *new)
{
	struct fs_struct *old = unshare_task_fs(task);

	read_seqlock_excl(&old->seq);
	unshare_set_task_fs(task, new);
	read_sequnlock_excl(&old->seq);
	return old;
}

/*
 * As unshare_fs_install(), but the task already counts as a user of @back.
 * check_unsafe_exec() of another thread compares the users of its fs_struct with
 * the threads that use it, under the lock of that fs_struct. So both locks are held
 * for the store. Lock order: the newer fs_struct first. @back is the older one.
 */
struct fs_struct *unshare_fs_restore(struct task_struct *task, struct fs_struct *back,
				     bool *last)
{
	struct fs_struct *old = unshare_task_fs(task);

	read_seqlock_excl(&old->seq);
	spin_lock_nested(&back->seq.lock, SINGLE_DEPTH_NESTING);
	unshare_set_task_fs(task, back);
	spin_unlock(&back->seq.lock);
	*last = !--old->users;
	read_sequnlock_excl(&old->seq);
	return old;
}

/* Drops one of the users of an fs_struct. Returns whether it was the last. */
bool unshare_fs_abandon(struct fs_struct *fs)
{
	bool last;

	read_seqlock_excl(&fs->seq);
	last = !--fs->users;
	read_sequnlock_excl(&fs->seq);
	return last;
}

/*
 * The task must be locked, or be the running task. A task gives up its undo list by a plain
 * store and without a lock.
 */
struct unshare_task_contexts unshare_task_contexts(struct task_struct *task)
{
	return (struct unshare_task_contexts) {
		.fs = unshare_task_fs(task),
		.files = task->files,
		.nsproxy = task->nsproxy,
		.user_ns = task_cred_xxx(task, user_ns),
		.undo_list = data_race(unshare_undo_list(task)),
	};
}

UNSHARE_VALUES(UNSHARE_DEFINE_VALUE)
UNSHARE_ACTIONS(UNSHARE_DEFINE_ACTION)
