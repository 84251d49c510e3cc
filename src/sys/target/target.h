/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Another task, as src/sys/target/ looks at it: inline functions and macros of
 * the kernel, and fields of its structures.
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

/* bindgen evaluates constants, not macros that name others. */
enum unshare_access {
	UNSHARE_READ_REALCREDS = PTRACE_MODE_READ_REALCREDS,
	UNSHARE_READ_FSCREDS = PTRACE_MODE_READ_FSCREDS,
};

/* The system calls that change more than one pointer of what a target has. */
enum unshare_number {
	UNSHARE_NR_unshare = __NR_unshare,
	UNSHARE_NR_setns = __NR_setns,
	UNSHARE_NR_compat_unshare = UNSHARE_COMPAT_NR_unshare,
	UNSHARE_NR_compat_setns = UNSHARE_COMPAT_NR_setns,
};

struct pid *unshare_get_pid(struct pid *pid);
struct rw_semaphore *unshare_exec_update_lock(struct task_struct *task);

struct task_struct *unshare_first_process(void);

void unshare_get_nsproxy(struct nsproxy *ns);
const struct cred *unshare_real_cred_of(struct task_struct *task);

struct fs_struct *unshare_peek_fs(struct task_struct *task);
void unshare_lock_fs(struct fs_struct *fs);
void unshare_unlock_fs(struct fs_struct *fs);
int unshare_locked_fs_users(const struct fs_struct *fs);
struct path *unshare_fs_root(struct fs_struct *fs);
struct path *unshare_fs_pwd(struct fs_struct *fs);

unsigned int unshare_flags_of(struct task_struct *task);
int unshare_syscall_of(struct task_struct *task);
bool unshare_is_compat(struct task_struct *task);
bool unshare_is_stopped(struct task_struct *task);

struct ns_common *unshare_mnt_ns_of(struct nsproxy *ns);
struct ns_common *unshare_uts_ns_of(struct nsproxy *ns);
struct ns_common *unshare_ipc_ns_of(struct nsproxy *ns);
struct ns_common *unshare_cgroup_ns_of(struct nsproxy *ns);
struct ns_common *unshare_net_ns_of(struct nsproxy *ns);
struct ns_common *unshare_pid_ns(struct pid_namespace *ns);

int unshare_install(struct nsset *nsset, struct ns_common *ns);
void unshare_get_time_ns(struct time_namespace *ns);
struct user_namespace *unshare_owner_of_time_ns(struct time_namespace *ns);

int unshare_may_enter(const struct path *path);
bool unshare_may_chroot(void);
int unshare_security_chroot(const struct path *path);

#endif /* _UNSHARE_TARGET_H */
