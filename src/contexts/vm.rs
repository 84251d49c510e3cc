// SPDX-License-Identifier: GPL-2.0

//! CLONE_VM: the address space.
//!
//! The task gets what a child would have got that it forks at this instant, at the same addresses,
//! and goes on running in it. What a fork does to a mapping happens here: MAP_SHARED stays shared;
//! MADV_DONTFORK is gone; MADV_WIPEONFORK is zero; mlock is not inherited; a userfaultfd that asked
//! for it is told of the fork; aio contexts stay behind; protection keys are copied, and what one
//! architecture alone has: x86's LDT, arm64's memory tags.
//!
//! What differs from a fork, because the task is the same one:
//!
//! - `clear_child_tid` is cleared and woken in the old address space, as by execve and exit, and
//!   unset. A parent that waits for a vfork child wakes when all of the request is done.
//! - The robust list and rseq stay registered at their addresses, which are those of the copies.
//!   A futex that the task holds in private memory is held in both: it has to be released before.
//! - What PR_SET_MDWE has made irrevocable stays, PR_MDWE_NO_INHERIT or not: the task is no child.
//! - Buffers that are registered with io_uring stay the pages of the old address space.
//! - A userfaultfd is told of the fork by a dry run, too, and by a request that fails after it.
//! - A shadow stack that the kernel made for the task stays mapped in the old address space, too.
//! - A request that fails after the copy may have dirtied the page that `clear_child_tid` is in.
//! - Whether the task may be dumped and traced is copied, and changes for it alone from then on.
//!
//! Who may look at the same moment:
//!
//! | who                                          | rule                                         |
//! |----------------------------------------------|----------------------------------------------|
//! | other threads, io_uring workers among them   | EINVAL, `failed` = CLONE_THREAD              |
//! | a uretprobe that the task has to return by   | EBUSY: its trampoline is in no copy          |
//! | requests of the task in io_uring             | EBUSY: each belongs to the old one           |
//! | who waits for a PI futex of the task         | EBUSY; who comes meanwhile looks again       |
//! | a device that the task feeds by ENQCMD       | EBUSY: its PASID names the old one           |
//! | a tracer of user_events                      | EBUSY: it would write to the old one         |
//! | ptrace, process_vm_readv, /proc/PID/mem      | the old one or the new: `exec_update_lock`   |
//! | process_vm_writev, ptrace POKE, before that  | writes after the copy stay in the old one    |
//! | /proc/PID/coredump_filter                    | is copied once more at the switch            |
//! | cpuset.mems, which rebinds memory policies   | from copy to switch: those of the old one    |
//! | a reader of /proc/PID/maps                   | is no sharer; keeps what it opened           |
//! | SIGKILL, exit_group                          | EINTR before the commit, too late after it   |
//! | the OOM killer, swapoff, KSM, memory cgroups | the copy is an mm like any other             |
//! | a core dump of a sharer                      | dumps its own threads, waits for nobody else |
//! | membarrier                                   | registrations are copied                     |
//! | who sets a uprobe                            | the task hits it, whenever it was set        |
//!
//! The copy is made before `exec_update_lock` is taken, so another task may still change the old address
//! space by this task's PID. What process_vm_writev(2) writes between the copy and the switch goes to the
//! old memory alone, as what a sharer writes then. If `cpuset_update_tasks_nodemask()` comes then, the
//! policies of the copy are not rebound and its pages are not migrated until the cpuset changes again.
//! A fork has the same gap, between `copy_mm()` and `cgroup_post_fork()`. Each allocation is held against
//! the task's `mems_allowed`, which is up to date, so the cpuset is not evaded. To close the gap,
//! `mpol_rebind_mm()` would have to lock each mapping at each request.
//!
//! `sys/kinds/leave-mm.table` has each statement by which the kernel leaves an address space, and
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

/// A task on its way to a copy of its address space, while nobody may look into its memory.
///
/// `S` is how far it has got: [`Copied`], [`Left`], [`Switched`], [`Released`].
pub(crate) struct Vm<'a, S> {
    no_pi_waiters: NoPiWaiters<'a>,
    update: ExecUpdate<'a>,
    exec_state: ExecState,
    mm: S,
}

/// Copies the address space.
///
/// The locks come after the copy: who reads the task's memory has to answer the page faults and
/// the fork event that a copy may wait for. `exec_update_lock` is the outer one; inside `exit_mutex`
/// of the futexes, which waiters take with nothing else locked, comes what a page fault locks, as
/// when a task that ends goes through its robust list.
///
/// The wait for `exec_update_lock` is for tasks that look into this one, and hold the lock while their
/// own page faults last. It ends with a deadly signal, or after a second with `EBUSY`: the copy grows
/// stale meanwhile.
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
    // `dup_mmap()` does not look for a signal when the lock is free, and a copy takes memory.
    if current.is_killed() {
        return Err(EINTR);
    }
    let exec_state = ExecState::dup(current)?;
    let mm = Copied::dup(current)?;
    let (update, no_pi_waiters) = mm::keep_out(current, !request.dry_run)?;
    // Nothing before this line that may wait looks for a signal when it has waited, and after it
    // nothing can fail.
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
    /// Does what has to be done while the task is still in its old address space.
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
    /// Does what has to be done as soon as the task is unlocked.
    pub(crate) fn settle(self) -> Vm<'a, Released<'a>> {
        self.map(Switched::settle)
    }
}

impl<'a> Vm<'a, Released<'a>> {
    /// Lets others look again, and then releases what was left.
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
