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

int unshare_copy_struct_from_user(void *dst, size_t ksize, const void __user *src,
				  size_t usize)
{
	return copy_struct_from_user(dst, ksize, src, usize);
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

/* The count is written under fs->seq, and read without. */
int unshare_fs_users(struct task_struct *task)
{
	return data_race(READ_ONCE(unshare_task_fs(task)->users));
}

struct fs_struct *unshare_fs_of(struct task_struct *task)
{
	return unshare_task_fs(task);
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

void unshare_left_fs(const struct fs_struct *old)
{
	unshare_task_left_fs(old);
}

struct files_struct *unshare_files_of(struct task_struct *task)
{
	return task->files;
}

void unshare_set_files(struct task_struct *task, struct files_struct *files)
{
	task->files = files;
}

int unshare_files_users(struct files_struct *files)
{
	return atomic_read(&files->count);
}

spinlock_t *unshare_files_lock(struct files_struct *files)
{
	return &files->file_lock;
}

/* Of a locked table. */
unsigned int unshare_files_max_fds(struct files_struct *files)
{
	return files_fdtable(files)->max_fds;
}

/* Of a locked table. */
unsigned int unshare_files_next_open(struct files_struct *files, unsigned int end,
				     unsigned int fd)
{
	return find_next_bit(files_fdtable(files)->open_fds, end, fd);
}

/* Of a table that no other task can find: no lock is to be held. */
struct fdtable *unshare_unseen_fdtable(struct files_struct *files)
{
	return rcu_dereference_raw(files->fdt);
}

void unshare_cond_resched(void)
{
	cond_resched();
}

struct nsproxy *unshare_nsproxy_of(struct task_struct *task)
{
	return task->nsproxy;
}

void unshare_set_nsproxy(struct task_struct *task, struct nsproxy *ns)
{
	task->nsproxy = ns;
}

bool unshare_nsproxy_dec_and_test(struct nsproxy *ns)
{
	return refcount_dec_and_test(&ns->count);
}

/* For target.c. */
/* Where a namespace counts. */
struct ucounts **unshare_pid_ucounts(struct pid_namespace *ns)
{
	return &ns->ucounts;
}

struct ucounts **unshare_ipc_ucounts(struct ipc_namespace *ns)
{
	return &ns->ucounts;
}

struct ucounts **unshare_net_ucounts(struct net *net)
{
	return &net->ucounts;
}

/* The counters of a user that no task can be. */
struct ucounts *unshare_alloc_nobodys_ucounts(void)
{
	return unshare_alloc_ucounts(&init_user_ns, INVALID_UID);
}

/* As inc_ucount() of the initial user namespace, with this limit. */
bool unshare_inc_ucount_below(struct ucounts *ucounts, enum ucount_type type, long limit)
{
	return atomic_long_add_unless(&ucounts->ucount[type], 1, limit);
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

/* NULL where the kernel has no memory cgroups, which the next two accept. */
struct mem_cgroup *unshare_get_current_memcg(void)
{
	return get_mem_cgroup_from_mm(current->mm);
}

void unshare_put_memcg(struct mem_cgroup *memcg)
{
	mem_cgroup_put(memcg);
}

struct mem_cgroup *unshare_set_active_memcg(struct mem_cgroup *memcg)
{
	return set_active_memcg(memcg);
}

bool unshare_has_undo_list(struct task_struct *task)
{
	return unshare_undo_list(task);
}

#ifdef CONFIG_SYSVIPC
void unshare_shm_init_task(struct task_struct *task)
{
	shm_init_task(task);
}
#endif

/* Tasks, as for_each_process_thread() finds them: NULL after the last thread. */
struct task_struct *unshare_next_process(struct task_struct *process)
{
	return next_task(process);
}

struct task_struct *unshare_first_thread(struct task_struct *process)
{
	return list_first_or_null_rcu(&process->signal->thread_head, struct task_struct,
				      thread_node);
}

struct task_struct *unshare_next_thread(struct task_struct *thread)
{
	return __next_thread(thread);
}

void unshare_smp_rmb(void)
{
	smp_rmb();
}

int unshare_mm_users(struct task_struct *task)
{
	return atomic_read(&task->mm->mm_users);
}

unsigned int unshare_sighand_users(struct task_struct *task)
{
	return refcount_read(&task->sighand->count);
}

/* A task changes its mm and its flags by plain stores, whoever looks. */
struct unshare_task_memory unshare_task_memory(struct task_struct *task)
{
	return (struct unshare_task_memory) {
		.mm = data_race(READ_ONCE(task->mm)),
		.sighand = READ_ONCE(task->sighand),
		.signal = task->signal,
		.is_kthread = data_race(task->flags & PF_KTHREAD),
	};
}

/* Of a locked task, or of the running one. It leaves its undo list by a plain store and without a lock. */
struct unshare_task_contexts unshare_task_contexts(struct task_struct *task)
{
	return (struct unshare_task_contexts) {
		.fs = unshare_task_fs(task),
		.files = task->files,
		.nsproxy = task->nsproxy,
		.user_ns = task_cred_xxx(task, user_ns),
		.undo_list = data_race(READ_ONCE(unshare_undo_list(task))),
	};
}
