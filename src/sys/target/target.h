/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Another task, as src/sys/target/ accesses it: one-line functions around the
 * kernel's inline functions, macros and fields.
 */
#ifndef _UNSHARE_TARGET_H
#define _UNSHARE_TARGET_H

#include <linux/cred.h>
#include <linux/fs_struct.h>
#include <linux/nsproxy.h>
#include <linux/path.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <asm/unistd.h>

#include "../c/one_line.h"

/* bindgen evaluates constants, but no macros that expand to other macros. */
enum unshare_access {
	UNSHARE_READ_REALCREDS = PTRACE_MODE_READ_REALCREDS,
	UNSHARE_READ_FSCREDS = PTRACE_MODE_READ_FSCREDS,
};

/* The system calls that change more than one part of a task's context. */
enum unshare_number {
	UNSHARE_NR_unshare = __NR_unshare,
	UNSHARE_NR_setns = __NR_setns,
	UNSHARE_NR_compat_unshare = UNSHARE_COMPAT_NR_unshare,
	UNSHARE_NR_compat_setns = UNSHARE_COMPAT_NR_setns,
};

enum unshare_series {
	UNSHARE_SETNS_MOVES_SHARERS = UNSHARE_SERIES_SETNS_MOVES_SHARERS,
};

#ifdef CONFIG_SECURITY_PATH
#define UNSHARE_SECURITY_CHROOT(path) unshare_security_path_chroot(path)
#else
#define UNSHARE_SECURITY_CHROOT(path) 0
#endif

#define UNSHARE_TARGET_VALUES(X)								\
	X(struct pid *, get_pid, (struct pid *pid), get_pid(pid))				\
	/* Valid as long as the task_struct, which holds the signal_struct. */			\
	X(struct rw_semaphore *, exec_update_lock, (struct task_struct *task),			\
	  &task->signal->exec_update_lock)							\
	/* init_task is never freed. */								\
	X(struct task_struct *, first_process, (void), &init_task)				\
	/* Must be called under RCU. */								\
	X(const struct cred *, real_cred_of, (struct task_struct *task),			\
	  __task_cred(task))									\
	/* For comparison only, so without task_lock. */					\
	X(struct fs_struct *, peek_fs, (struct task_struct *task),				\
	  data_race(unshare_task_fs(task)))							\
	X(int, locked_fs_users, (const struct fs_struct *fs),					\
	  fs->users - unshare_fs_kernel_users(fs))						\
	X(struct path *, fs_root, (struct fs_struct *fs), &fs->root)				\
	X(struct path *, fs_pwd, (struct fs_struct *fs), &fs->pwd)				\
	/* The task itself changes these three by plain stores, or its tracer does. */	\
	X(unsigned int, flags_of, (struct task_struct *task),					\
	  data_race(READ_ONCE(task->flags)))							\
	X(int, syscall_of, (struct task_struct *task),						\
	  data_race(unshare_syscall_number(task)))						\
	X(bool, is_compat, (struct task_struct *task),						\
	  data_race(unshare_in_compat_syscall(task)))						\
	/* Stopped by a signal, a tracer, or the freezer of cgroup v2. */			\
	X(bool, is_stopped, (struct task_struct *task),						\
	  task_is_stopped_or_traced(task) || data_race(cgroup_task_frozen(task)))		\
	X(struct ns_common *, mnt_ns_of, (struct nsproxy *ns),					\
	  unshare_from_mnt_ns(ns->mnt_ns))							\
	X(struct ns_common *, uts_ns_of, (struct nsproxy *ns), &ns->uts_ns->ns)			\
	X(struct ns_common *, ipc_ns_of, (struct nsproxy *ns), &ns->ipc_ns->ns)			\
	X(struct ns_common *, cgroup_ns_of, (struct nsproxy *ns), &ns->cgroup_ns->ns)		\
	X(struct ns_common *, net_ns_of, (struct nsproxy *ns), &ns->net_ns->ns)			\
	X(struct ns_common *, time_ns_of, (struct nsproxy *ns), &ns->time_ns->ns)		\
	X(struct ns_common *, time_ns_for_children_of, (struct nsproxy *ns),			\
	  &ns->time_ns_for_children->ns)							\
	X(struct ns_common *, pid_ns, (struct pid_namespace *ns), &ns->ns)			\
	X(int, install, (struct nsset *nsset, struct ns_common *ns),				\
	  unshare_install_ns(nsset, ns))							\
	X(struct user_namespace *, owner_of_time_ns, (struct time_namespace *ns),		\
	  ns->user_ns)										\
	/* The checks of chroot(2) and fchdir(2). */						\
	X(int, may_enter, (const struct path *path),						\
	  path_permission(path, MAY_EXEC | MAY_CHDIR))						\
	X(bool, may_chroot, (void), ns_capable(current_user_ns(), CAP_SYS_CHROOT))		\
	/* Whether a thread executes a program and becomes the group leader: de_thread(). */	\
	X(bool, is_executing, (struct task_struct *task),					\
	  READ_ONCE(task->signal->group_exec_task))						\
	X(bool, fs_half_left, (const struct fs_struct *fs), unshare_fs_is_half_left(fs))	\
	/* Without CONFIG_SECURITY_PATH there is no function to call. */			\
	X(int, security_chroot, (const struct path *path), UNSHARE_SECURITY_CHROOT(path))

#define UNSHARE_TARGET_ACTIONS(X)								\
	X(get_nsproxy, (struct nsproxy *ns), get_nsproxy(ns))					\
	X(lock_fs, (struct fs_struct *fs), read_seqlock_excl(&fs->seq))				\
	X(unlock_fs, (struct fs_struct *fs), read_sequnlock_excl(&fs->seq))			\
	X(get_time_ns, (struct time_namespace *ns), get_time_ns(ns))

UNSHARE_TARGET_VALUES(UNSHARE_DECLARE_VALUE)
UNSHARE_TARGET_ACTIONS(UNSHARE_DECLARE_ACTION)

#endif /* _UNSHARE_TARGET_H */
