// SPDX-License-Identifier: GPL-2.0
#include <linux/binfmts.h>
#include <linux/futex.h>
#include <linux/io_uring_types.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/percpu_counter.h>
#include <linux/refcount.h>
#include <linux/rseq.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uprobes.h>

#include "mm.h"

UNSHARE_MM_VALUES(UNSHARE_DEFINE_VALUE)
UNSHARE_MM_ACTIONS(UNSHARE_DEFINE_ACTION)

#define COPY(name, ...)										\
	void unshare_copy_##name(struct mm_struct *mm, struct mm_struct *oldmm) { __VA_ARGS__; }
#define COPY_FIELD(name) COPY(name, mm->name = oldmm->name)
UNSHARE_COPIED_FIELDS(COPY_FIELD)
UNSHARE_COPIED_OTHERWISE(COPY)

UNSHARE_SWITCH_HELPERS
