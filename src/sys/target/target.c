// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/cgroup.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/proc_ns.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/security.h>
#include <linux/user_namespace.h>
#include <asm/syscall.h>

#include "../c/helpers.h"
#include "../c/unexported.h"
#include "target.h"

UNSHARE_TARGET_VALUES(UNSHARE_DEFINE_VALUE)
UNSHARE_TARGET_ACTIONS(UNSHARE_DEFINE_ACTION)
