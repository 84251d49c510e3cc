/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What Rust cannot call by itself: the kernel's inline functions and macros,
 * and members of structures that the kernel's bindings leave opaque.
 */
#ifndef _UNSHARE_HELPERS_H
#define _UNSHARE_HELPERS_H

#include <linux/cgroup.h>
#include <linux/fdtable.h>
#include <linux/fs_struct.h>
#include <linux/ipc_namespace.h>
#include <linux/nsproxy.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/time_namespace.h>
#include <linux/types.h>
#include <linux/uts_namespace.h>
#include <net/net_namespace.h>

int unshare_copy_struct_from_user(void *dst, size_t ksize,
				  const void __user *src, size_t usize);
int unshare_copy_struct_to_user(void __user *dst, size_t usize,
				const void *src, size_t ksize);

void unshare_visit_other_tasks(bool (*visit)(struct task_struct *, void *), void *data);
const char *unshare_kernel_release(void);
bool unshare_thread_group_empty(struct task_struct *task);

bool unshare_fs_is_shared(struct fs_struct *fs);
struct fs_struct *unshare_fs_install(struct task_struct *task, struct fs_struct *new);

bool unshare_files_is_shared(struct files_struct *files);
void unshare_files_close_range(struct files_struct *files, unsigned int first,
			       unsigned int last);

void unshare_put_nsproxy(struct nsproxy *ns);
void unshare_put_uts_ns(struct uts_namespace *ns);
void unshare_put_ipc_ns(struct ipc_namespace *ns);
void unshare_put_time_ns(struct time_namespace *ns);
void unshare_put_cgroup_ns(struct cgroup_namespace *ns);
void unshare_put_net(struct net *net);

void unshare_shm_init_task(struct task_struct *task);

#endif /* _UNSHARE_HELPERS_H */
