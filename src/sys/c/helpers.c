// SPDX-License-Identifier: GPL-2.0
/*
 * What only C can say: inline functions and macros of the kernel, and fields of
 * its structures, one line each. What has more than one line is here for the
 * reason that is said beside it.
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

/* The `module!` macro has no key for it. */
MODULE_VERSION(UNSHARE_VERSION);

/*
 * In C, because a fault is an `asm goto` out of the access, which Rust does not
 * have. For speed: a few words are read sooner than a function for any size is
 * called. A fault, which tests may ask for, is as of copy_from_user().
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

/* In C and for speed: as above. */
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

/* As set_cred_user_ns() of kernel/user_namespace.c, which is static. */
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
 * As ksys_unshare() does it, under task_lock: gives the task a new fs_struct
 * and returns the old one, which is the caller's if the task was its last user.
 * In C, because what a task has of them is the series' to say, and the count
 * changes under a seqlock that is held for these two lines alone.
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

/*
 * As above, but the task stays one of the users of the old fs_struct, to come
 * back to it.
 */
struct fs_struct *unshare_fs_park(struct task_struct *task, struct fs_struct *new)
{
	struct fs_struct *old = unshare_task_fs(task);

	read_seqlock_excl(&old->seq);
	unshare_set_task_fs(task, new);
	read_sequnlock_excl(&old->seq);
	return old;
}

/*
 * As unshare_fs_install(), but the task is a user of @back already. A sibling
 * that executes a program compares what its threads have with the users of its
 * own fs_struct, under the lock of that: check_unsafe_exec(). So both locks are
 * held for the store.
 * The order is the newer one first: what a task comes back to is older than what
 * it has.
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

/* Gives a user of an fs_struct back that is no task's. Returns whether it was the last. */
bool unshare_fs_abandon(struct fs_struct *fs)
{
	bool last;

	read_seqlock_excl(&fs->seq);
	last = !--fs->users;
	read_sequnlock_excl(&fs->seq);
	return last;
}

/* Of a locked task, or of the running one. It leaves its undo list by a plain store and without a lock. */
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
