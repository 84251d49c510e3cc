// SPDX-License-Identifier: GPL-2.0
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/tracepoint.h>
#include <trace/events/sched.h>

#include "../c/unexported.h"
#include "held.h"

#ifdef CONFIG_TRACEPOINTS
/* In C, so that the compiler checks their types against those of the tracepoints. */
static void unshare_on_exit(void *data, struct task_struct *task, bool group_dead)
{
	check_trace_callback_type_sched_process_exit(unshare_on_exit);
	unshare_task_exits();
}

static void unshare_on_exec(void *data, struct task_struct *task, pid_t old_pid,
			    struct linux_binprm *bprm)
{
	check_trace_callback_type_sched_process_exec(unshare_on_exec);
	unshare_task_executes();
}
#endif

UNSHARE_HELD_VALUES(UNSHARE_DEFINE_VALUE)
UNSHARE_HELD_ACTIONS(UNSHARE_DEFINE_ACTION)
