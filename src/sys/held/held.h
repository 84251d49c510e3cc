/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One-line functions for src/sys/held/: an anonymous inode, two tracepoints, and
 * references to the module.
 */
#ifndef _UNSHARE_HELD_H
#define _UNSHARE_HELD_H

#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/tracepoint-defs.h>
#include <linux/types.h>

#include "../c/one_line.h"

#define UNSHARE_HELD_VALUES(X)									\
	X(struct file *, anon_inode_file, (const struct file_operations *fops, void *data),	\
	  anon_inode_getfile("[unshare]", fops, data, O_RDWR | O_CLOEXEC))			\
	UNSHARE_IF(CONFIG_TRACEPOINTS, X(int, probe_exit, (void),				\
	  tracepoint_probe_register(unshare___tracepoint_sched_process_exit,			\
				    unshare_on_exit, NULL)))					\
	UNSHARE_IF(CONFIG_TRACEPOINTS, X(int, probe_exec, (void),				\
	  tracepoint_probe_register(unshare___tracepoint_sched_process_exec,			\
				    unshare_on_exec, NULL)))

#define UNSHARE_HELD_ACTIONS(X)									\
	UNSHARE_IF(CONFIG_TRACEPOINTS, X(unprobe_exit, (void),					\
	  tracepoint_probe_unregister(unshare___tracepoint_sched_process_exit,		\
				      unshare_on_exit, NULL)))					\
	UNSHARE_IF(CONFIG_TRACEPOINTS, X(unprobe_exec, (void),					\
	  tracepoint_probe_unregister(unshare___tracepoint_sched_process_exec,		\
				      unshare_on_exec, NULL)))					\
	UNSHARE_IF(CONFIG_TRACEPOINTS, X(tracepoint_synchronize, (void),			\
	  tracepoint_synchronize_unregister()))							\
	UNSHARE_IF(CONFIG_TRACEPOINTS, X(synchronize_rcu_tasks, (void),				\
	  synchronize_rcu_tasks()))								\
	X(get_module, (void), __module_get(THIS_MODULE))					\
	X(put_module, (void), module_put(THIS_MODULE))

UNSHARE_HELD_VALUES(UNSHARE_DECLARE_VALUE)
UNSHARE_HELD_ACTIONS(UNSHARE_DECLARE_ACTION)

/* In sys/held/ending.rs. Called when the running task exits, or has executed a program. */
void unshare_task_exits(void);
void unshare_task_executes(void);

#endif /* _UNSHARE_HELD_H */
