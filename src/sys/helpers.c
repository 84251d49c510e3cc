// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/fault-inject-usercopy.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/key.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/proc_ns.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/shm.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>
#include <linux/utsname.h>

#include "helpers.h"
#include "unexported.h"

/*
 * For speed: nearly all programs have the struct as the module knows it, and a
 * few words are read sooner than a function for any size is called. A fault,
 * which tests may ask for, is as of copy_from_user().
 */
int unshare_copy_args_from_user(struct unshare_args *args, const void __user *src, size_t usize)
{
	enum { WORDS = sizeof(*args) / sizeof(u64) };
	const u64 __user *from = src;
	u64 *to = (u64 *)args;

	static_assert(sizeof(*args) % sizeof(u64) == 0);
	if (usize != sizeof(*args))
		return copy_struct_from_user(args, sizeof(*args), src, usize);
	might_fault();
	if (should_fail_usercopy())
		return -EFAULT;
	scoped_user_read_access_size(from, sizeof(*args), fault) {
		for (size_t i = 0; i < WORDS; i++)
			unsafe_get_user(to[i], &from[i], fault);
	}
	return 0;
fault:
	return -EFAULT;
}

/* For speed: as above. */
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

int unshare_copy_struct_to_user(void __user *dst, size_t usize,
				const void *src, size_t ksize)
{
	return copy_struct_to_user(dst, usize, src, ksize, NULL);
}

/* Of the first UTS namespace: the others may be told to lie. */
const char *unshare_kernel_release(void)
{
	return init_uts_ns.name.release;
}

spinlock_t *unshare_alloc_lock(struct task_struct *task)
{
	return &task->alloc_lock;
}

bool unshare_thread_group_empty(struct task_struct *task)
{
	return thread_group_empty(task);
}

bool unshare_is_killed(struct task_struct *task)
{
	return fatal_signal_pending(task);
}

struct user_namespace *unshare_task_user_ns(struct task_struct *task)
{
	return task_cred_xxx(task, user_ns);
}

/* Inline functions, where a kernel knows of one user only. */
bool unshare_has_admin(struct user_namespace *user_ns)
{
	return ns_capable(user_ns, CAP_SYS_ADMIN);
}

bool unshare_is_admin(void)
{
	return capable(CAP_SYS_ADMIN);
}

struct user_namespace *unshare_get_user_ns(const struct cred *cred)
{
	return get_user_ns(cred->user_ns);
}

struct user_namespace *unshare_ref_user_ns(struct user_namespace *user_ns)
{
	return get_user_ns(user_ns);
}

void unshare_put_user_ns(struct user_namespace *user_ns)
{
	put_user_ns(user_ns);
}

const struct cred *unshare_current_cred(void)
{
	return current_cred();
}

const struct cred *unshare_get_current_cred(void)
{
	return get_current_cred();
}

const struct cred *unshare_override_creds(const struct cred *cred)
{
	return override_creds(cred);
}

const struct cred *unshare_revert_creds(const struct cred *cred)
{
	return revert_creds(cred);
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

/* Without the lock of who counts, as unshare_fs(): at worst, a copy that was not needed. */
bool unshare_fs_is_shared(struct task_struct *task)
{
	return data_race(READ_ONCE(unshare_task_fs(task)->users)) > 1;
}

struct fs_struct *unshare_fs_of(struct task_struct *task)
{
	return unshare_task_fs(task);
}

/*
 * As ksys_unshare() does it, under task_lock: gives the task a new fs_struct
 * and returns the old one, which is the caller's if the task was its last user.
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

/* The rest of it, with no lock held. */
void unshare_fs_left(struct fs_struct *old, bool last)
{
	unshare_task_left_fs(old);
	if (last)
		unshare_free_fs_struct(old);
}

bool unshare_files_is_shared(struct task_struct *task)
{
	return atomic_read(&task->files->count) > 1;
}

struct files_struct *unshare_files_of(struct task_struct *task)
{
	return task->files;
}

struct files_struct *unshare_files_install(struct task_struct *task,
					   struct files_struct *new)
{
	swap(task->files, new);
	return new;
}

/*
 * Takes the next open descriptor out of a locked table, if there is one from
 * @fd to @last. A number that is reserved has no file yet, and is in no copy.
 */
static bool take_next(struct files_struct *files, unsigned int *fd, unsigned int last,
		      struct file **file)
{
	struct fdtable *fdt = files_fdtable(files);
	unsigned int end = min(last, fdt->max_fds - 1) + 1;

	*fd = find_next_bit(fdt->open_fds, end, *fd);
	if (*fd >= end)
		return false;
	*file = unshare_file_close_fd_locked(files, (*fd)++);
	return true;
}

/*
 * Takes descriptors out of a table that no task has had. Their files are put,
 * which may be done under the lock, and not closed: as if dup_fd() had not
 * copied them, which it does not where the range reaches to the end. Whoever
 * looks sees nothing of it, and no task is told that its file was closed.
 */
void unshare_files_leave_out(struct files_struct *files, unsigned int first,
			     unsigned int last)
{
	struct file *file;

	spin_lock(&files->file_lock);
	while (take_next(files, &first, last, &file)) {
		fput(file);
		cond_resched_lock(&files->file_lock);
	}
	spin_unlock(&files->file_lock);
}

/* As __range_close() of fs/file.c. */
void unshare_files_close_range(struct files_struct *files, unsigned int first,
			       unsigned int last)
{
	struct file *file;

	spin_lock(&files->file_lock);
	while (take_next(files, &first, last, &file)) {
		if (file || need_resched()) {
			spin_unlock(&files->file_lock);
			if (file)
				filp_close(file, files);
			cond_resched();
			spin_lock(&files->file_lock);
		}
	}
	spin_unlock(&files->file_lock);
}

struct nsproxy *unshare_nsproxy_install(struct task_struct *task, struct nsproxy *new)
{
	swap(task->nsproxy, new);
	return new;
}

void unshare_put_nsproxy(struct nsproxy *ns)
{
	if (refcount_dec_and_test(&ns->count))
		unshare_deactivate_nsproxy(ns);
}

/* The namespaces of a set that are other ones than the task's. */
u64 unshare_nsproxy_changes(struct task_struct *task, const struct nsproxy *ns)
{
	const struct nsproxy *old = task->nsproxy;
	u64 changes = 0;

	if (ns->mnt_ns != old->mnt_ns)
		changes |= CLONE_NEWNS;
	if (ns->uts_ns != old->uts_ns)
		changes |= CLONE_NEWUTS;
	if (ns->ipc_ns != old->ipc_ns)
		changes |= CLONE_NEWIPC;
	if (ns->pid_ns_for_children != old->pid_ns_for_children)
		changes |= CLONE_NEWPID;
	if (ns->cgroup_ns != old->cgroup_ns)
		changes |= CLONE_NEWCGROUP;
	if (ns->net_ns != old->net_ns)
		changes |= CLONE_NEWNET;
	if (ns->time_ns != old->time_ns ||
	    ns->time_ns_for_children != old->time_ns_for_children)
		changes |= CLONE_NEWTIME;
	return changes;
}

/* As commit_nsset(): has the clocks of the time namespace mapped at the next look. */
void unshare_join_time_ns(struct task_struct *task)
{
#ifdef CONFIG_TIME_NS_VDSO
	unshare_timens_commit(task, task->nsproxy->time_ns);
#endif
}

/*
 * The put_*_ns() of these are inline and end in functions that are not
 * exported; the operations that nsfs holds of each namespace reach them too.
 */
void unshare_put_uts_ns(struct uts_namespace *ns)
{
	ns->ns.ops->put(&ns->ns);
}

void unshare_put_ipc_ns(struct ipc_namespace *ns)
{
	ns->ns.ops->put(&ns->ns);
}

void unshare_put_time_ns(struct time_namespace *ns)
{
	ns->ns.ops->put(&ns->ns);
}

void unshare_put_cgroup_ns(struct cgroup_namespace *ns)
{
	ns->ns.ops->put(&ns->ns);
}

void unshare_get_net(struct net *net)
{
	get_net(net);
}

void unshare_put_net(struct net *net)
{
	put_net(net);
}

struct module *unshare_this_module(void)
{
	return THIS_MODULE;
}

struct task_struct *unshare_kthread_create(int (*run)(void *data), void *data)
{
	return kthread_create(run, data, "unshare_net");
}

bool unshare_has_undo_list(struct task_struct *task)
{
#ifdef CONFIG_SYSVIPC
	return task->sysvsem.undo_list;
#else
	return false;
#endif
}

/* Without System V IPC there is nothing to leave, and the functions are not there. */
void unshare_leave_sem(struct task_struct *task)
{
#ifdef CONFIG_SYSVIPC
	unshare_exit_sem(task);
#endif
}

void unshare_leave_shm(struct task_struct *task)
{
#ifdef CONFIG_SYSVIPC
	unshare_exit_shm(task);
	shm_init_task(task);
#endif
}
