/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One-line functions for src/sys/mm/ and src/sys/sighand.rs: macros and inline
 * functions of the kernel, and accesses to fields. Fields of task_struct and
 * mm_struct are accessed only in C, because KCSAN does not instrument Rust.
 * Each line defines unshare_NAME().
 */
#ifndef _UNSHARE_MM_H
#define _UNSHARE_MM_H

#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/sched/exec_state.h>

#include "../c/one_line.h"
#include "../c/unexported.h"

struct io_uring_task;
struct linux_binfmt;

/* X(type, name, parameters, returned value) */
#define UNSHARE_MM_VALUES(X)									\
	/* Of an address space */								\
	X(spinlock_t *, arg_lock, (struct mm_struct *mm), &mm->arg_lock)			\
	X(bool, has_mdwe, (struct mm_struct *mm), mm_flags_test(MMF_HAS_MDWE, mm))		\
	X(bool, has_mdwe_no_inherit, (struct mm_struct *mm),					\
	  mm_flags_test(MMF_HAS_MDWE_NO_INHERIT, mm))						\
	X(struct linux_binfmt *, binfmt, (struct mm_struct *mm), mm->binfmt)			\
	X(bool, get_binfmt, (struct linux_binfmt *binfmt), try_module_get(binfmt->module))	\
	X(int, mmap_write_lock_killable, (struct mm_struct *mm), mmap_write_lock_killable(mm))	\
	X(struct vm_area_struct *, vma_next, (struct vma_iterator *vmi), vma_next(vmi))		\
	/* Of a task */										\
	X(struct mm_struct *, task_mm, (struct task_struct *task), task->mm)			\
	X(u32 __user *, child_tid, (struct task_struct *task),					\
	  (u32 __user *)task->clear_child_tid)							\
	X(struct completion *, vfork_done, (struct task_struct *task), task->vfork_done)	\
	/* Faults in as put_user() does; a fatal signal ends the wait for mmap_lock. */		\
	X(long, get_word_page, (u32 __user *word, unsigned int flags, struct page **page),	\
	  get_user_pages_unlocked((unsigned long)word, 1, page,					\
				  flags | FOLL_HONOR_NUMA_FAULT))				\
	/* These two do not fault. */								\
	X(int, peek_word_page, (u32 __user *word, unsigned int flags, struct page **page),	\
	  get_user_pages_fast_only((unsigned long)word, 1, flags, page))			\
	X(long, find_word_page, (u32 __user *word, unsigned int flags, struct page **page),	\
	  get_user_pages((unsigned long)word, 1, flags | FOLL_NOFAULT | FOLL_HONOR_NUMA_FAULT,	\
			 page))									\
	X(bool, try_lock_own_mm, (void), mmap_read_trylock(current->mm))			\
	X(int, try_lock_exec_update, (struct task_struct *task),				\
	  down_write_trylock(&task->signal->exec_update_lock))					\
	X(struct task_exec_state *, exec_state, (struct task_struct *task),			\
	  rcu_dereference_protected(task->exec_state, true))					\
	X(struct user_namespace *, exec_state_user_ns, (struct task_exec_state *exec_state),	\
	  exec_state->user_ns)									\
	UNSHARE_IF(CONFIG_UPROBES, X(bool, is_in_uprobe, (struct task_struct *task),		\
	  task->utask && (task->utask->return_instances || task->utask->active_uprobe)))	\
	UNSHARE_IF(CONFIG_ARCH_HAS_CPU_PASID, X(bool, has_pasid,				\
	  (struct task_struct *task), task->pasid_activated))					\
	UNSHARE_IF(CONFIG_USER_EVENTS, X(bool, has_user_events,					\
	  (struct task_struct *task), task->user_event_mm))					\
	UNSHARE_IF(CONFIG_IO_URING, X(struct io_uring_task *, io_uring,				\
	  (struct task_struct *task), task->io_uring))						\
	UNSHARE_IF(CONFIG_IO_URING, X(s64, io_uring_references,					\
	  (struct io_uring_task *tctx), percpu_counter_sum(&tctx->inflight)))			\
	UNSHARE_IF(CONFIG_IO_URING, X(int, io_uring_cached,					\
	  (struct io_uring_task *tctx), tctx->cached_refs))					\
	UNSHARE_IF(CONFIG_FUTEX, X(struct mutex *, futex_exit_mutex,				\
	  (struct task_struct *task), &task->futex.exit_mutex))					\
	UNSHARE_IF(CONFIG_FUTEX, X(bool, has_pi_states,						\
	  (struct task_struct *task), !list_empty(&task->futex.pi_state_list)))			\
	/* Of signal handlers */								\
	X(struct sighand_struct *, alloc_sighand, (void),					\
	  kmem_cache_alloc(*unshare_sighand_cachep, GFP_KERNEL))				\
	X(struct sighand_struct *, task_sighand, (struct task_struct *task), task->sighand)	\
	X(spinlock_t *, siglock, (struct sighand_struct *sighand), &sighand->siglock)

/* X(name, parameters, statement) */
#define UNSHARE_MM_ACTIONS(X)									\
	/* To an address space */								\
	X(set_mdwe_no_inherit, (struct mm_struct *mm),						\
	  mm_flags_set(MMF_HAS_MDWE_NO_INHERIT, mm))						\
	X(set_mdwe, (struct mm_struct *mm), mm_flags_set(MMF_HAS_MDWE, mm))			\
	X(assign_binfmt, (struct mm_struct *mm, struct linux_binfmt *binfmt),			\
	  mm->binfmt = binfmt)									\
	X(begin_hiwater_rss, (struct mm_struct *mm), mm->hiwater_rss = get_mm_rss(mm))		\
	X(begin_hiwater_vm, (struct mm_struct *mm), mm->hiwater_vm = mm->total_vm)		\
	X(copy_dump_filter, (struct mm_struct *mm, struct mm_struct *old),			\
	  __mm_flags_set_mask_bits_word(mm, MMF_DUMP_FILTER_MASK,				\
		READ_ONCE(*__mm_flags_get_bitmap(old)) & MMF_DUMP_FILTER_MASK))			\
	UNSHARE_IF(CONFIG_MEMCG, X(clear_owner, (struct mm_struct *mm),				\
	  WRITE_ONCE(mm->owner, NULL)))								\
	X(vma_iter_init, (struct vma_iterator *vmi, struct mm_struct *mm),			\
	  vma_iter_init(vmi, mm, 0))								\
	X(mmap_write_unlock, (struct mm_struct *mm), mmap_write_unlock(mm))			\
	X(lru_gen_use_mm, (struct mm_struct *mm), lru_gen_use_mm(mm))				\
	/* To a task */										\
	X(set_task_mm, (struct task_struct *task, struct mm_struct *mm), task->mm = mm)		\
	X(set_active_mm, (struct task_struct *task, struct mm_struct *mm),			\
	  task->active_mm = mm)									\
	X(reset_child_tid, (struct task_struct *task), task->clear_child_tid = NULL)		\
	X(reset_vfork_done, (struct task_struct *task), task->vfork_done = NULL)		\
	X(note_maxrss, (struct task_struct *task, struct mm_struct *mm),			\
	  setmax_mm_hiwater_rss(&task->signal->maxrss, mm))					\
	X(unlock_exec_update, (struct task_struct *task),					\
	  up_write(&task->signal->exec_update_lock))						\
	X(copy_dumpable, (struct task_exec_state *exec_state, struct task_exec_state *old),	\
	  WRITE_ONCE(exec_state->dumpable, READ_ONCE(old->dumpable)))				\
	UNSHARE_IF(CONFIG_FUTEX, X(lock_pi, (struct task_struct *task),				\
	  raw_spin_lock_irq(&task->pi_lock)))							\
	UNSHARE_IF(CONFIG_FUTEX, X(unlock_pi, (struct task_struct *task),			\
	  raw_spin_unlock_irq(&task->pi_lock)))							\
	UNSHARE_IF(CONFIG_FUTEX, X(set_futex_exiting, (struct task_struct *task),		\
	  task->futex.state = FUTEX_STATE_EXITING))						\
	UNSHARE_IF(CONFIG_FUTEX, X(set_futex_ok, (struct task_struct *task),			\
	  task->futex.state = FUTEX_STATE_OK))							\
	/* To signal handlers */								\
	X(begin_sighand, (struct sighand_struct *sighand), refcount_set(&sighand->count, 1))	\
	X(copy_actions, (struct sighand_struct *sighand, struct sighand_struct *old),		\
	  memcpy(sighand->action, old->action, sizeof(sighand->action)))			\
	X(set_task_sighand, (struct task_struct *task, struct sighand_struct *sighand),		\
	  rcu_assign_pointer(task->sighand, sighand))						\
	X(write_lock_tasklist, (void), write_lock_irq(unshare_tasklist_lock))			\
	X(write_unlock_tasklist, (void), write_unlock_irq(unshare_tasklist_lock))		\
	/* To a word of user memory. Like mm_release(), ignores a bad address. */		\
	X(clear_word, (u32 __user *word), put_user(0, word))					\
	X(put_page, (struct page *page), put_page(page))					\
	X(unlock_own_mm, (void), mmap_read_unlock(current->mm))					\
	UNSHARE_IF(CONFIG_FUTEX, X(wake_word, (u32 __user *word),				\
	  unshare_do_futex(word, FUTEX_WAKE, 1, NULL, NULL, 0, 0)))				\
	/* To the processor */									\
	X(irqs_off, (void), local_irq_disable())						\
	X(irqs_on, (void), local_irq_enable())							\
	X(smp_mb, (void), smp_mb())								\
	X(rseq_force_update, (void), rseq_force_update())

/*
 * X(field): the fields of mm_struct that are copied by assignment. The lists in
 * src/sys/mm/fields.rs say when each unshare_copy_FIELD() is called.
 */
#define UNSHARE_COPIED_FIELDS(X)								\
	X(mmap_base) X(mmap_legacy_base) X(task_size)						\
	UNSHARE_IF(CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES, X(mmap_compat_base))			\
	UNSHARE_IF(CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES, X(mmap_compat_legacy_base))		\
	X(start_code) X(end_code) X(start_data) X(end_data)					\
	X(start_stack)										\
	X(arg_start) X(arg_end) X(env_start) X(env_end)						\
	UNSHARE_IF(CONFIG_ARCH_HAS_ELF_CORE_EFLAGS, X(saved_e_flags))

/* X(name, statement): the fields that are not copied by assignment. */
#define UNSHARE_COPIED_OTHERWISE(X)								\
	X(start_brk, mm->start_brk = data_race(oldmm->start_brk))				\
	X(brk, mm->brk = data_race(oldmm->brk))							\
	X(saved_auxv, data_race(memcpy(mm->saved_auxv, oldmm->saved_auxv,			\
				       sizeof(mm->saved_auxv))))				\
	UNSHARE_IF(CONFIG_MEMBARRIER, X(membarrier_state,					\
	  atomic_set(&mm->membarrier_state, atomic_read(&oldmm->membarrier_state))))		\
	UNSHARE_IF(CONFIG_KSM, X(ksm_zero_pages,						\
	  atomic_long_set(&mm->ksm_zero_pages, atomic_long_read(&oldmm->ksm_zero_pages))))	\
	UNSHARE_IF(CONFIG_FUTEX, X(futex_unlock, mm->futex.unlock = oldmm->futex.unlock))	\
	UNSHARE_COPIED_CONTEXT(X)

#define UNSHARE_DECLARE_COPY(name, ...)								\
	void unshare_copy_##name(struct mm_struct *mm, struct mm_struct *oldmm);
UNSHARE_MM_VALUES(UNSHARE_DECLARE_VALUE)
UNSHARE_MM_ACTIONS(UNSHARE_DECLARE_ACTION)
UNSHARE_COPIED_FIELDS(UNSHARE_DECLARE_COPY)
UNSHARE_COPIED_OTHERWISE(UNSHARE_DECLARE_COPY)
bool unshare_uses_saved_ttbr0(void);
void unshare_set_saved_ttbr0(struct task_struct *task, struct mm_struct *mm);

#endif /* _UNSHARE_MM_H */
