/* SPDX-License-Identifier: GPL-2.0 */
/* The namespaces, root and working directory of another task. */
#ifndef _UNSHARE_TARGET_H
#define _UNSHARE_TARGET_H

#include <linux/cred.h>
#include <linux/fs_struct.h>
#include <linux/nsproxy.h>
#include <linux/path.h>
#include <linux/pid.h>
#include <linux/types.h>

/**
 * struct unshare_target - what a task had at one moment, with a reference each
 * @nsproxy: its namespaces
 * @user_ns: its user namespace
 * @pid_ns:  the PID namespace that it is in, and not that of its children
 * @root:    its root directory
 * @pwd:     its working directory
 */
struct unshare_target {
	struct nsproxy *nsproxy;
	struct user_namespace *user_ns;
	struct pid_namespace *pid_ns;
	struct path root;
	struct path pwd;
};

struct pid *unshare_pid_of_fd(int pidfd);

int unshare_target_pin(struct pid *pid, u64 kinds, struct unshare_target *target);
int unshare_target_settle(struct pid *pid);
bool unshare_target_is_unchanged(struct pid *pid, u64 kinds,
				 const struct unshare_target *target);
void unshare_target_unpin(struct unshare_target *target);

int unshare_target_install(const struct unshare_target *target, u64 kind,
			   struct nsproxy *nsproxy, struct fs_struct *fs,
			   const struct cred *cred);
int unshare_target_install_user(const struct unshare_target *target, struct cred *cred);
int unshare_target_install_time(const struct unshare_target *target,
				struct nsproxy *nsproxy, const struct cred *cred,
				bool leaves_mm);
int unshare_target_install_fs(const struct unshare_target *target, struct fs_struct *fs,
			      const struct cred *cred);

#endif /* _UNSHARE_TARGET_H */
