/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One-line functions for Rust, which cannot call the kernel's inline functions and
 * macros. Rust cannot access all fields either: bindgen makes some structures opaque
 * and lays out others wrongly. (It drops the alignment of an empty struct, which
 * moves most of task_struct without CONFIG_SCHEDSTATS.) So all members of task_struct
 * and cred are accessed in C.
 */
#ifndef _UNSHARE_HELPERS_H
#define _UNSHARE_HELPERS_H

#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/fs_struct.h>
#include <linux/ipc_namespace.h>
#include <linux/nsproxy.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/time_namespace.h>
#include <linux/types.h>
#include <linux/user_namespace.h>
#include <linux/uts_namespace.h>
#include <net/net_namespace.h>

#include "one_line.h"
#include "unshare.h"

/* What differs between architectures and between kernel series. Kbuild chooses the headers. */
#include UNSHARE_ARCH_HEADER
#include UNSHARE_SERIES_HEADER

#ifdef CONFIG_SYSVIPC
#define unshare_undo_list(task) READ_ONCE((task)->sysvsem.undo_list)
#else
#define unshare_undo_list(task) ((struct sem_undo_list *)NULL)
#endif

#ifdef CONFIG_MEMCG
#define UNSHARE_MEMCG_OF(task) (mem_cgroup_disabled() ? NULL : mem_cgroup_from_task(task))
#else
#define UNSHARE_MEMCG_OF(task) NULL
#endif

/* What a task may share with another one, for comparison. */
struct unshare_task_contexts {
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct user_namespace *user_ns;
	struct sem_undo_list *undo_list;
};

#define UNSHARE_VALUES(X)									\
	X(int, copy_struct_from_user,								\
	  (void *dst, size_t ksize, const void __user *src, size_t usize),			\
	  copy_struct_from_user(dst, ksize, src, usize))					\
	X(int, copy_struct_to_user,								\
	  (void __user *dst, size_t usize, const void *src, size_t ksize),			\
	  copy_struct_to_user(dst, usize, src, ksize, NULL))					\
	/* The initial UTS namespace has the release that the kernel was built with. */		\
	X(const char *, kernel_release, (void), init_uts_ns.name.release)			\
	X(bool, thread_group_empty, (struct task_struct *task), thread_group_empty(task))	\
	X(bool, is_killed, (struct task_struct *task), fatal_signal_pending(task))		\
	X(struct user_namespace *, task_user_ns, (struct task_struct *task),			\
	  task_cred_xxx(task, user_ns))								\
	/* Inline functions without CONFIG_MULTIUSER. */					\
	X(bool, has_admin, (struct user_namespace *user_ns),					\
	  ns_capable(user_ns, CAP_SYS_ADMIN))							\
	X(bool, is_admin, (void), capable(CAP_SYS_ADMIN))					\
	X(struct user_namespace *, get_user_ns, (const struct cred *cred),			\
	  get_user_ns(cred->user_ns))								\
	X(struct user_namespace *, ref_user_ns, (struct user_namespace *user_ns),		\
	  get_user_ns(user_ns))									\
	X(const struct cred *, current_cred, (void), current_cred())				\
	X(const struct cred *, get_current_cred, (void), get_current_cred())			\
	X(const struct cred *, override_creds, (const struct cred *cred),			\
	  override_creds(cred))									\
	X(const struct cred *, revert_creds, (const struct cred *cred),				\
	  revert_creds(cred))									\
	/* The count changes under fs->seq, but is read without it. */				\
	X(int, fs_users, (struct task_struct *task),						\
	  data_race(READ_ONCE(unshare_task_fs(task)->users)))					\
	X(struct fs_struct *, fs_of, (struct task_struct *task), unshare_task_fs(task))		\
	X(bool, is_on_failfs, (const struct fs_struct *fs), unshare_fs_root_is_failfs(fs))	\
	X(struct files_struct *, files_of, (struct task_struct *task), task->files)		\
	X(int, files_users, (struct files_struct *files), atomic_read(&files->count))		\
	X(spinlock_t *, files_lock, (struct files_struct *files), &files->file_lock)		\
	/* The table must be locked for these two. */						\
	X(unsigned int, files_max_fds, (struct files_struct *files),				\
	  files_fdtable(files)->max_fds)							\
	X(unsigned int, files_next_open,							\
	  (struct files_struct *files, unsigned int end, unsigned int fd),			\
	  find_next_bit(files_fdtable(files)->open_fds, end, fd))				\
	/* No other task can find the table, so no lock is held. */				\
	X(struct fdtable *, unseen_fdtable, (struct files_struct *files),			\
	  rcu_dereference_raw(files->fdt))							\
	X(struct nsproxy *, nsproxy_of, (struct task_struct *task), task->nsproxy)		\
	X(unsigned int, ns_number, (struct ns_common *ns), ns->inum)				\
	/* The check of setns(2) for the namespace to be entered. */				\
	X(bool, has_admin_of_ns, (struct ns_common *ns),					\
	  ns_capable(ns->ops->owner(ns), CAP_SYS_ADMIN))					\
	X(bool, nsproxy_dec_and_test, (struct nsproxy *ns),					\
	  refcount_dec_and_test(&ns->count))							\
	/* The ucounts to which a namespace is charged. */					\
	X(struct ucounts **, pid_ucounts, (struct pid_namespace *ns), &ns->ucounts)		\
	X(struct ucounts **, ipc_ucounts, (struct ipc_namespace *ns), &ns->ucounts)		\
	X(struct ucounts **, net_ucounts, (struct net *net), &net->ucounts)			\
	/* The ucounts of a user that no task has. */						\
	X(struct ucounts *, alloc_nobodys_ucounts, (void),					\
	  unshare_alloc_ucounts(&init_user_ns, INVALID_UID))					\
	/* Mirrors inc_ucount() in the initial user namespace, with this limit. */		\
	X(bool, inc_ucount_below, (struct ucounts *ucounts, enum ucount_type type, long limit),	\
	  atomic_long_add_unless(&ucounts->ucount[type], 1, limit))				\
	X(struct task_struct *, kthread_create, (int (*run)(void *data), void *data),		\
	  kthread_create(run, data, "unshare_net"))						\
	/* Must be called under RCU. NULL without memory cgroups, as the next three accept. */	\
	X(struct mem_cgroup *, memcg_of, (struct task_struct *task),				\
	  UNSHARE_MEMCG_OF(task))								\
	X(bool, tryget_memcg, (struct mem_cgroup *memcg), mem_cgroup_tryget(memcg))		\
	X(struct mem_cgroup *, set_active_memcg, (struct mem_cgroup *memcg),			\
	  set_active_memcg(memcg))								\
	X(bool, has_undo_list, (struct task_struct *task), unshare_undo_list(task))		\
	/* As for_each_process_thread() finds tasks. NULL after the last thread. */		\
	X(struct task_struct *, next_process, (struct task_struct *process),			\
	  next_task(process))									\
	X(struct task_struct *, next_thread, (struct task_struct *thread),			\
	  __next_thread(thread))								\
	/*											\
	 * Other tasks read mm and flags while the task changes them by plain stores. A		\
	 * kernel thread has an mm only while it works for the mm's owner.			\
	 */											\
	X(bool, uses_mm_of, (struct task_struct *task, struct task_struct *running),		\
	  data_race(READ_ONCE(task->mm)) == running->mm && !data_race(task->flags & PF_KTHREAD))	\
	X(bool, uses_sighand_of, (struct task_struct *task, struct task_struct *running),	\
	  READ_ONCE(task->sighand) == running->sighand)						\
	X(bool, is_kthread, (struct task_struct *task), data_race(task->flags & PF_KTHREAD))	\
	X(int, mm_users, (struct task_struct *task), atomic_read(&task->mm->mm_users))		\
	X(unsigned int, sighand_users, (struct task_struct *task),				\
	  refcount_read(&task->sighand->count))

#define UNSHARE_ACTIONS(X)									\
	X(task_lock, (struct task_struct *task), task_lock(task))				\
	X(task_unlock, (struct task_struct *task), task_unlock(task))				\
	X(put_user_ns, (struct user_namespace *user_ns), put_user_ns(user_ns))			\
	X(left_fs, (const struct fs_struct *old), unshare_task_left_fs(old))			\
	X(set_files, (struct task_struct *task, struct files_struct *files),			\
	  task->files = files)									\
	X(cond_resched, (void), cond_resched())							\
	X(set_nsproxy, (struct task_struct *task, struct nsproxy *ns), task->nsproxy = ns)	\
	X(ref_ns, (struct ns_common *ns), __ns_ref_inc(ns))					\
	/* umask(2) of a task that shares it writes by xchg(). */				\
	X(copy_umask, (struct fs_struct *to, struct task_struct *from),			\
	  to->umask = data_race(READ_ONCE(unshare_task_fs(from)->umask)))			\
	/* The inline put_*_ns() end in functions that are not exported. ns->ops->put() ends	\
	 * in the same functions.								\
	 */											\
	X(put_uts_ns, (struct uts_namespace *ns), ns->ns.ops->put(&ns->ns))			\
	X(put_ipc_ns, (struct ipc_namespace *ns), ns->ns.ops->put(&ns->ns))			\
	X(put_time_ns, (struct time_namespace *ns), ns->ns.ops->put(&ns->ns))			\
	X(put_cgroup_ns, (struct cgroup_namespace *ns), ns->ns.ops->put(&ns->ns))		\
	X(get_net, (struct net *net), get_net(net))						\
	X(put_net, (struct net *net), put_net(net))						\
	/* Sends SIGKILL to a kernel thread, to end its killable waits. */			\
	X(kill, (struct task_struct *thread), send_sig(SIGKILL, thread, 1))			\
	X(allow_kill, (void), allow_kernel_signal(SIGKILL))					\
	X(put_memcg, (struct mem_cgroup *memcg), mem_cgroup_put(memcg))				\
	UNSHARE_IF(CONFIG_SYSVIPC, X(shm_init_task, (struct task_struct *task),			\
	  shm_init_task(task)))									\
	X(smp_rmb, (void), smp_rmb())

UNSHARE_VALUES(UNSHARE_DECLARE_VALUE)
UNSHARE_ACTIONS(UNSHARE_DECLARE_ACTION)

/* Functions of more than one line. */
int unshare_copy_args_from_user(struct unshare_args *args, const void __user *src);
int unshare_put_user_pair(u64 __user *to, u64 first, u64 second);
void unshare_set_cred_user_ns(struct cred *cred, struct user_namespace *user_ns);
struct fs_struct *unshare_fs_install(struct task_struct *task, struct fs_struct *new,
				     bool *last);
struct fs_struct *unshare_fs_park(struct task_struct *task, struct fs_struct *new);
struct fs_struct *unshare_fs_restore(struct task_struct *task, struct fs_struct *back,
				     bool *last);
bool unshare_fs_abandon(struct fs_struct *fs);
struct unshare_task_contexts unshare_task_contexts(struct task_struct *task);

#endif /* _UNSHARE_HELPERS_H */
