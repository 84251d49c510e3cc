/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One list of the kernel functions that are not exported to modules.
 *
 * Each line has the contexts that need the function, and its prototype, which the
 * compiler compares with the kernel's. unshare_NAME() has the same signature, and is
 * a static call. On x86, that becomes a direct call instruction once the address is
 * known, which kernels with IBT or kCFI accept. On arm64, it calls through a pointer
 * of the function's own type, or with kCFI, through a trampoline that checks no type.
 * With BTI, the function must begin with a landing pad. All functions do, except
 * static functions that call no other, and the list has none of those.
 */
#ifndef _UNSHARE_UNEXPORTED_H
#define _UNSHARE_UNEXPORTED_H

#include <linux/cred.h>
#include <linux/nsproxy.h>
#include <linux/tracepoint-defs.h>
#include <linux/types.h>
#include <linux/user_namespace.h>

#include "helpers.h"

/* All namespaces of an nsproxy. */
#define UNSHARE_NSPROXY (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID |		\
			 CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWTIME)

/* Not a context: attaching to another task. */
#define UNSHARE_ATTACH (1ULL << 63)

/* Not a context: holding contexts by a descriptor. */
#define UNSHARE_HOLDING (1ULL << 62)

/* X(contexts, type, name, parameters, arguments) */
#define UNSHARE_UNEXPORTED(X)									\
	X(CLONE_FS | CLONE_NEWNS | CLONE_NEWUSER, struct fs_struct *, copy_fs_struct,		\
	  (struct fs_struct *old), (old))							\
	X(CLONE_FS | CLONE_NEWNS | CLONE_NEWUSER, void, free_fs_struct,				\
	  (struct fs_struct *fs), (fs))								\
	X(CLONE_FILES, struct files_struct *, dup_fd,						\
	  (struct files_struct *old, struct fd_range *hole), (old, hole))			\
	X(CLONE_FILES, void, put_files_struct,							\
	  (struct files_struct *files), (files))						\
	X(CLONE_FILES, struct file *, file_close_fd_locked,					\
	  (struct files_struct *files, unsigned int fd), (files, fd))				\
	UNSHARE_IF(CONFIG_SYSVIPC, X(CLONE_SYSVSEM | CLONE_NEWIPC | UNSHARE_HOLDING, void,	\
	  exit_sem,										\
	  (struct task_struct *task), (task)))							\
	UNSHARE_IF(CONFIG_SYSVIPC, X(CLONE_NEWIPC, void, exit_shm,				\
	  (struct task_struct *task), (task)))							\
	X(CLONE_NEWUSER, int, create_user_ns,							\
	  (struct cred *cred), (cred))								\
	X(CLONE_NEWUSER, int, set_cred_ucounts,							\
	  (struct cred *cred), (cred))								\
	X(CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET, void, put_ucounts,			\
	  (struct ucounts *ucounts), (ucounts))							\
	X(CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET, struct ucounts *,				\
	  alloc_ucounts, (struct user_namespace *ns, kuid_t uid), (ns, uid))			\
	X(CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET, void, dec_ucount,				\
	  (struct ucounts *ucounts, enum ucount_type type), (ucounts, type))			\
	X(UNSHARE_NSPROXY, struct nsproxy *, create_new_namespaces,				\
	  (u64 flags, struct task_struct *task, struct user_namespace *user_ns,			\
	   struct fs_struct *fs), (flags, task, user_ns, fs))					\
	X(UNSHARE_NSPROXY, void, nsproxy_free,							\
	  (struct nsproxy *ns), (ns))								\
	X(UNSHARE_NSPROXY, void, nsproxy_ns_active_get,						\
	  (struct nsproxy *ns), (ns))								\
	X(UNSHARE_NSPROXY | UNSHARE_HOLDING, void, deactivate_nsproxy,				\
	  (struct nsproxy *ns), (ns))								\
	X(CLONE_NEWNS, struct mnt_namespace *, copy_mnt_ns,					\
	  (u64 flags, struct mnt_namespace *old, struct user_namespace *user_ns,		\
	   struct fs_struct *fs), (flags, old, user_ns, fs))					\
	X(CLONE_NEWNS, void, put_mnt_ns,							\
	  (struct mnt_namespace *ns), (ns))							\
	X(CLONE_NEWUTS, struct uts_namespace *, copy_utsname,					\
	  (u64 flags, struct user_namespace *user_ns, struct uts_namespace *old),		\
	  (flags, user_ns, old))								\
	X(CLONE_NEWIPC, struct ipc_namespace *, copy_ipcs,					\
	  (u64 flags, struct user_namespace *user_ns, struct ipc_namespace *old),		\
	  (flags, user_ns, old))								\
	X(CLONE_NEWPID, struct pid_namespace *, copy_pid_ns,					\
	  (u64 flags, struct user_namespace *user_ns, struct pid_namespace *old),		\
	  (flags, user_ns, old))								\
	X(CLONE_NEWCGROUP, struct cgroup_namespace *, copy_cgroup_ns,				\
	  (u64 flags, struct user_namespace *user_ns, struct cgroup_namespace *old),		\
	  (flags, user_ns, old))								\
	X(CLONE_NEWNET, struct net *, copy_net_ns,						\
	  (u64 flags, struct user_namespace *user_ns, struct net *old),				\
	  (flags, user_ns, old))								\
	X(CLONE_NEWTIME, struct time_namespace *, copy_time_ns,					\
	  (u64 flags, struct user_namespace *user_ns, struct time_namespace *old),		\
	  (flags, user_ns, old))								\
	X(UNSHARE_ATTACH, struct pid *, pidfd_pid,						\
	  (const struct file *file), (file))							\
	X(UNSHARE_ATTACH, bool, ptrace_may_access,						\
	  (struct task_struct *task, unsigned int mode), (task, mode))				\
	X(CLONE_NEWNS | UNSHARE_HOLDING, struct ns_common *, from_mnt_ns,			\
	  (struct mnt_namespace *ns), (ns))							\
	X(CLONE_NEWTIME | UNSHARE_HOLDING, bool, current_is_single_threaded,			\
	  (void), ())										\
	UNSHARE_IF(CONFIG_TIME_NS_VDSO, X(CLONE_NEWTIME | UNSHARE_HOLDING, void,		\
	  timens_commit,									\
	  (struct task_struct *task, struct time_namespace *ns), (task, ns)))			\
	UNSHARE_IF(CONFIG_SECURITY_PATH, X(UNSHARE_ATTACH | UNSHARE_HOLDING, int,		\
	  security_path_chroot,									\
	  (const struct path *path), (path)))							\
	X(CLONE_VM, struct mm_struct *, mm_alloc,						\
	  (void), ())										\
	X(CLONE_VM, int, dup_mmap,								\
	  (struct mm_struct *mm, struct mm_struct *oldmm), (mm, oldmm))				\
	X(CLONE_VM, struct task_exec_state *, alloc_task_exec_state,				\
	  (struct user_namespace *user_ns), (user_ns))						\
	X(CLONE_VM, struct task_exec_state *, task_exec_state_replace,				\
	  (struct task_struct *task, struct task_exec_state *exec_state), (task, exec_state))	\
	X(CLONE_VM, void, put_task_exec_state,							\
	  (struct task_exec_state *exec_state), (exec_state))					\
	UNSHARE_IF(CONFIG_FUTEX, X(CLONE_VM, long, do_futex,					\
	  (u32 __user *uaddr, int op, u32 val, ktime_t *timeout, u32 __user *uaddr2,		\
	   u32 val2, u32 val3), (uaddr, op, val, timeout, uaddr2, val2, val3)))			\
	X(CLONE_VM | CLONE_SIGHAND, void, __cleanup_sighand,					\
	  (struct sighand_struct *sighand), (sighand))						\
	UNSHARE_IF(CONFIG_UPROBES, X(CLONE_VM, void, uprobe_start_dup_mmap, (void), ()))	\
	UNSHARE_IF(CONFIG_UPROBES, X(CLONE_VM, void, uprobe_end_dup_mmap, (void), ()))		\
	UNSHARE_IF(CONFIG_UPROBES, X(CLONE_VM, int, uprobe_mmap,				\
	  (struct vm_area_struct *vma), (vma)))							\
	UNSHARE_IF(CONFIG_SCHED_MM_CID, X(CLONE_VM, void, mm_init_cid,				\
	  (struct mm_struct *mm, struct task_struct *task), (mm, task)))			\
	UNSHARE_IF(CONFIG_SCHED_MM_CID, X(CLONE_VM, void, sched_mm_cid_before_execve,		\
	  (struct task_struct *task), (task)))							\
	UNSHARE_IF(CONFIG_SCHED_MM_CID, X(CLONE_VM, void, sched_mm_cid_after_execve,		\
	  (struct task_struct *task), (task)))							\
	UNSHARE_IF(CONFIG_NUMA_BALANCING, X(CLONE_VM, void, task_numa_free,			\
	  (struct task_struct *task, bool final), (task, final)))				\
	UNSHARE_IF(CONFIG_SCHED_CACHE, X(CLONE_VM, void, sched_cache_exit_mm,			\
	  (struct task_struct *task), (task)))							\
	UNSHARE_IF(CONFIG_SCHED_CACHE, X(CLONE_VM, void, sched_cache_exec_mmap,		\
	  (struct task_struct *task, struct mm_struct *mm), (task, mm)))			\
	UNSHARE_IF(CONFIG_MEMBARRIER, X(CLONE_VM, void, membarrier_update_current_mm,		\
	  (struct mm_struct *mm), (mm)))							\
	UNSHARE_IF(CONFIG_LRU_GEN_WALKS_MMU, X(CLONE_VM, void, lru_gen_add_mm,			\
	  (struct mm_struct *mm), (mm)))							\
	UNSHARE_IF(CONFIG_MEMCG, X(CLONE_VM, void, mm_update_next_owner,			\
	  (struct mm_struct *mm), (mm)))							\
	UNSHARE_IF(CONFIG_PERF_EVENTS, X(UNSHARE_NSPROXY | CLONE_NEWUSER, void,			\
	  perf_event_namespaces, (struct task_struct *task), (task)))				\
	UNSHARE_ARCH_UNEXPORTED(X)								\
	UNSHARE_SERIES_UNEXPORTED(X)

/* Variables, of which unshare_NAME is a pointer: X(contexts, type, name) */
#define UNSHARE_VARIABLES(X)									\
	X(CLONE_VM | CLONE_SIGHAND, rwlock_t, tasklist_lock)					\
	X(CLONE_VM | CLONE_SIGHAND, struct kmem_cache *, sighand_cachep)			\
	X(UNSHARE_HOLDING, struct tracepoint, __tracepoint_sched_process_exit)			\
	X(UNSHARE_HOLDING, struct tracepoint, __tracepoint_sched_process_exec)

/* Not in a header of include/: static functions, or those of fs/internal.h and the like. */
struct nsproxy *create_new_namespaces(u64 flags, struct task_struct *task,
				      struct user_namespace *user_ns,
				      struct fs_struct *fs);
struct file *file_close_fd_locked(struct files_struct *files, unsigned int fd);
int dup_mmap(struct mm_struct *mm, struct mm_struct *oldmm);

#define UNSHARE_PROTOTYPE(contexts, type, name, parameters, arguments)				\
	type unshare_##name parameters;
UNSHARE_UNEXPORTED(UNSHARE_PROTOTYPE)
#undef UNSHARE_PROTOTYPE

/**
 * struct unshare_unexported - one entry of the list
 * @name:     the kernel's symbol
 * @contexts: the contexts that need it
 * @set:      makes unshare_NAME() call an address
 */
struct unshare_unexported {
	const char *name;
	u64 contexts;
	void (*set)(void *address);
};

extern const struct unshare_unexported unshare_unexported[];
extern const size_t unshare_unexported_count;

#define UNSHARE_VARIABLE(contexts, type, name) extern type *unshare_##name;
UNSHARE_VARIABLES(UNSHARE_VARIABLE)
#undef UNSHARE_VARIABLE

int unshare_find_kallsyms(void);
bool unshare_resolve(const struct unshare_unexported *function);
bool unshare_userns_clone_is_restricted(void);

#endif /* _UNSHARE_UNEXPORTED_H */
