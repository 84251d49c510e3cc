/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What Rust cannot do by itself: call the kernel's inline functions and macros,
 * and reach into its structures. The kernel's bindings leave some of them
 * opaque, and get others wrong: bindgen drops the alignment of an empty struct,
 * which moves most of task_struct where CONFIG_SCHEDSTATS is not set. So each
 * member of task_struct and cred is read and written in C.
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

#include "unshare.h"

/* What differs between the series and the architectures that the module knows, chosen by Kbuild. */
#include UNSHARE_ARCH_HEADER
#include UNSHARE_SERIES_HEADER

int unshare_copy_args_from_user(struct unshare_args *args, const void __user *src);
int unshare_copy_struct_from_user(void *dst, size_t ksize, const void __user *src,
				  size_t usize);
int unshare_copy_struct_to_user(void __user *dst, size_t usize,
				const void *src, size_t ksize);
int unshare_put_user_pair(u64 __user *to, u64 first, u64 second);

const char *unshare_kernel_release(void);

spinlock_t *unshare_alloc_lock(struct task_struct *task);
bool unshare_thread_group_empty(struct task_struct *task);
bool unshare_is_killed(struct task_struct *task);
void unshare_cond_resched(void);

struct user_namespace *unshare_task_user_ns(struct task_struct *task);
bool unshare_has_admin(struct user_namespace *user_ns);
bool unshare_is_admin(void);
const struct cred *unshare_current_cred(void);
const struct cred *unshare_get_current_cred(void);
struct user_namespace *unshare_get_user_ns(const struct cred *cred);
struct user_namespace *unshare_ref_user_ns(struct user_namespace *user_ns);
void unshare_put_user_ns(struct user_namespace *user_ns);
const struct cred *unshare_override_creds(const struct cred *cred);
const struct cred *unshare_revert_creds(const struct cred *cred);
void unshare_set_cred_user_ns(struct cred *cred, struct user_namespace *user_ns);

int unshare_fs_users(struct task_struct *task);
struct fs_struct *unshare_fs_of(struct task_struct *task);
struct fs_struct *unshare_fs_install(struct task_struct *task, struct fs_struct *new,
				     bool *last);
void unshare_left_fs(const struct fs_struct *old);

struct files_struct *unshare_files_of(struct task_struct *task);
void unshare_set_files(struct task_struct *task, struct files_struct *files);
int unshare_files_users(struct files_struct *files);
spinlock_t *unshare_files_lock(struct files_struct *files);
unsigned int unshare_files_max_fds(struct files_struct *files);
unsigned int unshare_files_next_open(struct files_struct *files, unsigned int end,
				     unsigned int fd);
struct fdtable *unshare_unseen_fdtable(struct files_struct *files);

struct nsproxy *unshare_nsproxy_of(struct task_struct *task);
void unshare_set_nsproxy(struct task_struct *task, struct nsproxy *ns);
bool unshare_nsproxy_dec_and_test(struct nsproxy *ns);
void unshare_put_uts_ns(struct uts_namespace *ns);
void unshare_put_ipc_ns(struct ipc_namespace *ns);
void unshare_put_time_ns(struct time_namespace *ns);
void unshare_put_cgroup_ns(struct cgroup_namespace *ns);
void unshare_get_net(struct net *net);
void unshare_put_net(struct net *net);
struct module *unshare_this_module(void);
struct task_struct *unshare_kthread_create(int (*run)(void *data), void *data);
struct mem_cgroup *unshare_get_current_memcg(void);
void unshare_put_memcg(struct mem_cgroup *memcg);
struct mem_cgroup *unshare_set_active_memcg(struct mem_cgroup *memcg);

struct ucounts **unshare_pid_ucounts(struct pid_namespace *ns);
struct ucounts **unshare_ipc_ucounts(struct ipc_namespace *ns);
struct ucounts **unshare_net_ucounts(struct net *net);
struct ucounts *unshare_alloc_nobodys_ucounts(void);
bool unshare_inc_ucount_below(struct ucounts *ucounts, enum ucount_type type, long limit);

#ifdef CONFIG_SYSVIPC
#define unshare_undo_list(task) ((task)->sysvsem.undo_list)
#else
#define unshare_undo_list(task) ((struct sem_undo_list *)NULL)
#endif
bool unshare_has_undo_list(struct task_struct *task);
void unshare_shm_init_task(struct task_struct *task);

/* What a task shares, to compare it. */
struct unshare_task_memory {
	struct mm_struct *mm;
	struct sighand_struct *sighand;
	struct signal_struct *signal;
	bool is_kthread;
};
struct unshare_task_contexts {
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct user_namespace *user_ns;
	struct sem_undo_list *undo_list;
};

struct task_struct *unshare_next_process(struct task_struct *process);
struct task_struct *unshare_first_thread(struct task_struct *process);
struct task_struct *unshare_next_thread(struct task_struct *thread);
void unshare_smp_rmb(void);
int unshare_mm_users(struct task_struct *task);
unsigned int unshare_sighand_users(struct task_struct *task);
struct unshare_task_memory unshare_task_memory(struct task_struct *task);
struct unshare_task_contexts unshare_task_contexts(struct task_struct *task);

#endif /* _UNSHARE_HELPERS_H */
