/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the Rust side of src/sys/mm/ and src/sys/sighand.rs cannot say by itself:
 * each function is one macro or inline function of the kernel, or one access to a
 * field. Fields of task_struct and mm_struct are read and written here, so that
 * the race detector sees both sides.
 */
#ifndef _UNSHARE_MM_H
#define _UNSHARE_MM_H

#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/sched/exec_state.h>

struct io_uring_task;
struct linux_binfmt;

/*
 * Fields of an address space that a copy has from the old one by assignment. Each
 * is unshare_copy_FIELD(); src/sys/mm/fields.rs says when each is called, and
 * does not compile while a field of mm_struct is unaccounted for.
 */
#define UNSHARE_COPIED_FIELDS(X)						\
	X(mmap_base) X(mmap_legacy_base) X(task_size)				\
	X(start_code) X(end_code) X(start_data) X(end_data)			\
	X(start_brk) X(brk) X(start_stack)					\
	X(arg_start) X(arg_end) X(env_start) X(env_end)

#define UNSHARE_DECLARE_COPY(name)						\
	void unshare_copy_##name(struct mm_struct *mm, struct mm_struct *oldmm);
UNSHARE_COPIED_FIELDS(UNSHARE_DECLARE_COPY)
UNSHARE_DECLARE_COPY(mmap_compat_base)
UNSHARE_DECLARE_COPY(mmap_compat_legacy_base)
UNSHARE_DECLARE_COPY(saved_auxv)
UNSHARE_DECLARE_COPY(saved_e_flags)
UNSHARE_DECLARE_COPY(membarrier_state)
UNSHARE_DECLARE_COPY(ksm_zero_pages)
UNSHARE_DECLARE_COPY(futex_unlock)
UNSHARE_DECLARE_COPY(context_flags)
UNSHARE_DECLARE_COPY(context_vdso)
UNSHARE_DECLARE_COPY(context_vdso_image)
UNSHARE_DECLARE_COPY(context_sigpage)

/* Fields of an address space */
spinlock_t *unshare_arg_lock(struct mm_struct *mm);
bool unshare_has_mdwe_no_inherit(struct mm_struct *mm);
void unshare_set_mdwe_no_inherit(struct mm_struct *mm);
void unshare_set_mdwe(struct mm_struct *mm);
struct linux_binfmt *unshare_binfmt(struct mm_struct *mm);
bool unshare_get_binfmt(struct linux_binfmt *binfmt);
void unshare_assign_binfmt(struct mm_struct *mm, struct linux_binfmt *binfmt);
void unshare_begin_hiwater_rss(struct mm_struct *mm);
void unshare_begin_hiwater_vm(struct mm_struct *mm);
void unshare_clear_owner(struct mm_struct *mm);
int unshare_mmap_write_lock_killable(struct mm_struct *mm);
void unshare_mmap_write_unlock(struct mm_struct *mm);
unsigned long unshare_vma_end(struct vm_area_struct *vma);

/* Fields of a task */
struct mm_struct *unshare_task_mm(struct task_struct *task);
void unshare_set_task_mm(struct task_struct *task, struct mm_struct *mm);
void unshare_set_active_mm(struct task_struct *task, struct mm_struct *mm);
bool unshare_is_in_uprobe(struct task_struct *task);
bool unshare_has_pasid(struct task_struct *task);
bool unshare_has_user_events(struct task_struct *task);
u32 __user *unshare_child_tid(struct task_struct *task);
void unshare_reset_child_tid(struct task_struct *task);
struct completion *unshare_vfork_done(struct task_struct *task);
void unshare_reset_vfork_done(struct task_struct *task);
void unshare_note_maxrss(struct task_struct *task, struct mm_struct *mm);
int unshare_lock_exec_update(struct task_struct *task);
void unshare_unlock_exec_update(struct task_struct *task);

/* Requests in io_uring */
struct io_uring_task *unshare_io_uring(struct task_struct *task);
s64 unshare_io_uring_references(struct io_uring_task *tctx);
int unshare_io_uring_cached(struct io_uring_task *tctx);

/* Futexes of a task */
struct mutex *unshare_futex_exit_mutex(struct task_struct *task);
void unshare_lock_pi(struct task_struct *task);
void unshare_unlock_pi(struct task_struct *task);
bool unshare_has_pi_states(struct task_struct *task);
void unshare_set_futex_exiting(struct task_struct *task);
void unshare_set_futex_ok(struct task_struct *task);

/* Who may trace and dump a task */
struct task_exec_state *unshare_exec_state(struct task_struct *task);
struct user_namespace *unshare_exec_state_user_ns(struct task_exec_state *exec_state);
void unshare_copy_dumpable(struct task_exec_state *exec_state, struct task_exec_state *old);

/* Macros and inline functions */
void unshare_clear_word(u32 __user *word);
void unshare_fault_in_word(u32 __user *word);
void unshare_wake_word(u32 __user *word);
void unshare_irqs_off(void);
void unshare_irqs_on(void);
void unshare_smp_mb(void);
void unshare_lru_gen_use_mm(struct mm_struct *mm);
void unshare_rseq_force_update(void);
bool unshare_uses_saved_ttbr0(void);
void unshare_set_saved_ttbr0(struct task_struct *task, struct mm_struct *mm);

/* Signal handlers */
struct sighand_struct *unshare_alloc_sighand(void);
void unshare_begin_sighand(struct sighand_struct *sighand);
struct sighand_struct *unshare_task_sighand(struct task_struct *task);
void unshare_set_task_sighand(struct task_struct *task, struct sighand_struct *sighand);
spinlock_t *unshare_siglock(struct sighand_struct *sighand);
void unshare_copy_actions(struct sighand_struct *sighand, struct sighand_struct *old);
void unshare_write_lock_tasklist(void);
void unshare_write_unlock_tasklist(void);

#endif /* _UNSHARE_MM_H */
