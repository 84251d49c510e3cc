/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions of the kernel that modules cannot link to, in one list.
 *
 * Each line says which contexts cannot do without the function, and its
 * prototype; the compiler holds the prototype against the kernel's own. For
 * each there is an unshare_NAME() with the same signature, which is a static
 * call: a direct call instruction once the address is known, so that kernels
 * with IBT or kCFI take it as they take any other.
 */
#ifndef _UNSHARE_UNEXPORTED_H
#define _UNSHARE_UNEXPORTED_H

#include <linux/cred.h>
#include <linux/nsproxy.h>
#include <linux/types.h>

#include "helpers.h"

/* Each kind of namespace that an nsproxy carries. */
#define UNSHARE_NSPROXY (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID |		\
			 CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWTIME)

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
	X(CLONE_SYSVSEM | CLONE_NEWIPC, void, exit_sem,						\
	  (struct task_struct *task), (task))							\
	X(CLONE_NEWIPC, void, exit_shm,								\
	  (struct task_struct *task), (task))							\
	X(CLONE_NEWUSER, int, create_user_ns,							\
	  (struct cred *cred), (cred))								\
	X(CLONE_NEWUSER, int, set_cred_ucounts,							\
	  (struct cred *cred), (cred))								\
	X(UNSHARE_NSPROXY, struct nsproxy *, create_new_namespaces,				\
	  (u64 flags, struct task_struct *task, struct user_namespace *user_ns,			\
	   struct fs_struct *fs), (flags, task, user_ns, fs))					\
	X(UNSHARE_NSPROXY, void, nsproxy_free,							\
	  (struct nsproxy *ns), (ns))								\
	X(UNSHARE_NSPROXY, void, nsproxy_ns_active_get,						\
	  (struct nsproxy *ns), (ns))								\
	X(UNSHARE_NSPROXY, void, deactivate_nsproxy,						\
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
	UNSHARE_UNEXPORTED_PERF(X)

/* Without perf there is nobody to tell. */
#ifdef CONFIG_PERF_EVENTS
#define UNSHARE_UNEXPORTED_PERF(X)								\
	X(UNSHARE_NSPROXY | CLONE_NEWUSER, void, perf_event_namespaces,				\
	  (struct task_struct *task), (task))
#else
#define UNSHARE_UNEXPORTED_PERF(X)
#endif

/* What the kernel's headers keep to themselves: static, or fs/internal.h. */
struct nsproxy *create_new_namespaces(u64 flags, struct task_struct *task,
				      struct user_namespace *user_ns,
				      struct fs_struct *fs);
struct file *file_close_fd_locked(struct files_struct *files, unsigned int fd);

#define UNSHARE_PROTOTYPE(contexts, type, name, parameters, arguments)				\
	type unshare_##name parameters;
UNSHARE_UNEXPORTED(UNSHARE_PROTOTYPE)
#undef UNSHARE_PROTOTYPE

/**
 * struct unshare_unexported - one function of the list
 * @name:     what the kernel calls it
 * @contexts: those that cannot do without it
 * @set:      makes unshare_NAME() call an address
 */
struct unshare_unexported {
	const char *name;
	u64 contexts;
	void (*set)(void *address);
};

extern const struct unshare_unexported unshare_unexported[];
extern const size_t unshare_unexported_count;

int unshare_find_kallsyms(void);
bool unshare_resolve(const struct unshare_unexported *function);
bool unshare_userns_clone_is_restricted(void);

#endif /* _UNSHARE_UNEXPORTED_H */
