/* SPDX-License-Identifier: GPL-2.0 */
/* Address spaces, in the hands of the task that leaves one. */
#ifndef _UNSHARE_MM_H
#define _UNSHARE_MM_H

#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/sched/exec_state.h>

struct mm_struct *unshare_dup_mm(struct task_struct *task);
bool unshare_is_bound_to_mm(struct task_struct *task);

int unshare_lock_exec_update(struct task_struct *task);
void unshare_unlock_exec_update(struct task_struct *task);

bool unshare_futex_begin(struct task_struct *task);
void unshare_futex_end(struct task_struct *task);

struct task_exec_state *unshare_dup_exec_state(struct task_struct *task);

void unshare_fault_in_child_tid(struct task_struct *task);
void unshare_clear_child_tid(struct task_struct *task);
void unshare_mm_cid_leave(struct task_struct *task);
void unshare_mm_cid_join(struct task_struct *task);
struct mm_struct *unshare_mm_install(struct task_struct *task, struct mm_struct *mm);
struct task_exec_state *unshare_exec_state_install(struct task_struct *task,
						   struct task_exec_state *exec_state);
void unshare_mm_left(struct task_struct *task, struct mm_struct *oldmm);
void unshare_complete_vfork(struct task_struct *task);

struct sighand_struct *unshare_alloc_sighand(void);
void unshare_free_sighand(struct sighand_struct *sighand);
struct sighand_struct *unshare_sighand_install(struct task_struct *task,
					       struct sighand_struct *new);

#endif /* _UNSHARE_MM_H */
