// SPDX-License-Identifier: GPL-2.0

//! CLONE_VM: the address space.
//!
//! The task continues in the address space that a child would get from a fork at this instant, at the same
//! addresses. Each mapping is treated as a fork treats it: a MAP_SHARED mapping stays shared; one with
//! MADV_DONTFORK is absent; one with MADV_WIPEONFORK is zero; mlock is not inherited; a userfaultfd that
//! asked for fork events gets one; AIO contexts stay behind. Protection keys are copied, and so are
//! x86's LDT and arm64's memory tags.
//!
//! The caller is not a child, so this differs from a fork:
//!
//! - `clear_child_tid` is cleared in the old address space and its waiters are woken, as by execve and
//!   exit; then it is unset. The parent of a vfork child wakes when the whole request is done.
//! - The robust list and rseq stay registered at the same addresses, which are now in the copy. A futex
//!   that the task holds in private memory is held in both: programs must release it before the request.
//! - A fork would drop MDWE if PR_MDWE_NO_INHERIT is set. The caller keeps it.
//! - Buffers that are registered with io_uring stay the pages of the old address space.
//! - A userfaultfd also gets a fork event from a dry run, and from a request that fails after the copy.
//! - A shadow stack that the kernel made for the task also stays mapped in the old address space.
//! - A request that fails after the copy may have dirtied the page that `clear_child_tid` is in.
//! - Whether the task may be dumped and traced is copied. Later changes affect the caller only.
//!
//! Tasks and devices that use the address space at the same moment:
//!
//! | task or device                               | result                                          |
//! |----------------------------------------------|-------------------------------------------------|
//! | another thread, also an io_uring worker      | EINVAL, `failed` = CLONE_THREAD                 |
//! | a uretprobe that the task must return by     | EBUSY: no copy has its trampoline               |
//! | requests of the task in io_uring             | EBUSY: each refers to the old one               |
//! | a waiter for a PI futex of the task          | EBUSY; a later waiter looks the futex up again  |
//! | a device that the task feeds by ENQCMD       | EBUSY: its PASID names the old one              |
//! | a tracer of user_events                      | EBUSY: it would write to the old one            |
//! | ptrace, process_vm_readv, /proc/PID/mem      | uses the old one or the new: `exec_update_lock` |
//! | process_vm_writev, ptrace POKE, before that  | a write after the copy reaches the old one only |
//! | a writer of /proc/PID/coredump_filter        | the filter is copied again at the switch        |
//! | a change of cpuset.mems or of the cpuset     | from copy to switch: rebinds the old one only   |
//! | a reader of /proc/PID/maps                   | is no sharer; keeps reading the old one         |
//! | SIGKILL, exit_group                          | EINTR, or, once the commit has begun, no effect |
//! | the OOM killer, swapoff, KSM, memory cgroups | treat the copy as any other mm                  |
//! | a sharer that dumps core                     | dumps its own threads, waits for no other task  |
//! | a caller of membarrier                       | registrations are copied                        |
//! | a task that registers a uprobe               | the caller hits it, whenever it was registered  |
//!
//! The copy is made before `exec_update_lock` is taken, so other tasks that have this task's PID can still
//! change the old address space. What process_vm_writev(2) writes between the copy and the switch reaches the
//! old memory only, like what a sharer writes then. If `cpuset_update_tasks_nodemask()` or
//! `cpuset_attach()` runs in that time, the policies of the copy are not rebound and its pages are not migrated
//! until the next such change.
//! A fork has the same gap, between `copy_mm()` and `cgroup_post_fork()`. No allocation evades the cpuset,
//! because each is checked against the task's `mems_allowed`, which is up to date. To close the gap,
//! `mpol_rebind_mm()` would have to lock each mapping at each request.
//!
//! `sys/kinds/leave-mm.table` lists each statement of the kernel by which a task leaves an address space, and
//! `sys/kinds/raw-pointers.table` each structure that points to one.

use kernel::prelude::*;

use crate::{
    contexts::Context,
    failure::Failure,
    request::Request,
    sys::{
        mm::{
            self,
            Copied,
            ExecState,
            ExecUpdate,
            Left,
            NoPiWaiters,
            Released,
            Switched, //
        },
        task::{
            Current,
            TaskLock, //
        },
    },
};

/// A task on its way to a copy of its address space. Other tasks are kept out of its memory meanwhile.
///
/// `S` is its state: [`Copied`], [`Left`], [`Switched`], [`Released`].
pub(crate) struct Vm<'a, S> {
    no_pi_waiters: NoPiWaiters<'a>,
    update: ExecUpdate<'a>,
    exec_state: ExecState,
    mm: S,
}

/// Copies the address space, and then takes the locks that keep other tasks out.
///
/// The locks come after the copy. The copy may wait for a task that handles its page faults or its fork event,
/// and that task may first read this task's memory, which takes `exec_update_lock`.
///
/// The order is `exec_update_lock`, then `exit_mutex` of the futexes, then the locks of a page fault. Waiters
/// take `exit_mutex` while they hold no other lock. Page faults inside it are allowed: a task that exits takes
/// them when it walks its robust list.
///
/// Taking `exec_update_lock` waits for tasks that read this one and hold the lock during their own page faults.
/// The wait ends with a fatal signal, or after a second with `EBUSY`, because the copy becomes stale.
// For speed: if it is inlined, requests that leave no address space spill registers.
#[inline(never)]
pub(crate) fn prepare<'a>(
    current: &'a Current,
    request: &Request,
) -> Result<Vm<'a, Copied>, Failure> {
    dup(current, request).map_err(Failure::of(Context::Vm))
}

fn dup<'a>(current: &'a Current, request: &Request) -> Result<Vm<'a, Copied>> {
    if mm::is_bound(current) {
        return Err(EBUSY);
    }
    // `dup_mmap()` does not check for a fatal signal when the lock is free, so check before allocating the copy.
    if current.is_killed() {
        return Err(EINTR);
    }
    let exec_state = ExecState::dup(current)?;
    let mm = Copied::dup(current)?;
    let (update, no_pi_waiters) = mm::keep_out(current, !request.dry_run)?;
    // A fatal signal may have come during the waits above, which do not check for one at their end. Nothing
    // below can fail.
    if current.is_killed() {
        return Err(EINTR);
    }
    Ok(Vm {
        no_pi_waiters,
        update,
        exec_state,
        mm,
    })
}

impl<'a, S> Vm<'a, S> {
    fn map<T>(self, step: impl FnOnce(S) -> T) -> Vm<'a, T> {
        let Self {
            no_pi_waiters,
            update,
            exec_state,
            mm,
        } = self;
        Vm {
            no_pi_waiters,
            update,
            exec_state,
            mm: step(mm),
        }
    }
}

impl<'a> Vm<'a, Copied> {
    /// Takes the steps that must happen in the old address space.
    pub(crate) fn leave(self, current: &'a Current) -> Vm<'a, Left<'a>> {
        self.map(|copied| copied.leave(current))
    }
}

impl<'a> Vm<'a, Left<'a>> {
    /// Moves the task. Mirrors `exec_mmap()`.
    pub(crate) fn switch(mut self, lock: &mut TaskLock<'_>) -> Vm<'a, Switched<'a>> {
        self.exec_state.install(lock, &self.update);
        self.map(|left| left.switch(lock))
    }
}

impl<'a> Vm<'a, Switched<'a>> {
    /// Takes the steps that must follow as soon as the task is unlocked.
    pub(crate) fn settle(self) -> Vm<'a, Released<'a>> {
        self.map(Switched::settle)
    }
}

impl<'a> Vm<'a, Released<'a>> {
    /// Lets other tasks in again, and then releases the old address space.
    pub(crate) fn release(self) {
        let Self {
            no_pi_waiters,
            update,
            exec_state: _exec_state,
            mm,
        } = self;
        drop((no_pi_waiters, update));
        drop(mm);
    }
}
