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
//! - io_uring requests under way write to the address in the space that they run in; registered
//!   buffers stay the pages of the old one. Its workers are threads: see below.
//! - A userfaultfd is told of the fork by a dry run, too, and by a request that fails after it.
//! - A shadow stack that the kernel made for the task stays mapped in the old address space.
//! - Whether the task may be dumped and traced is copied, and changes for it alone from then on.
//!
//! Who may look at the same moment:
//!
//! | who                                          | rule                                         |
//! |----------------------------------------------|----------------------------------------------|
//! | other threads, io_uring workers among them   | EINVAL, `failed` = CLONE_THREAD              |
//! | a uretprobe that the task has to return by   | EBUSY: its trampoline is in no copy          |
//! | who waits for a PI futex of the task         | EBUSY; who comes meanwhile looks again       |
//! | a device that the task feeds by ENQCMD       | EBUSY: its PASID names the old one           |
//! | a tracer of user_events                      | EBUSY: it would write to the old one         |
//! | ptrace, process_vm_readv, /proc/PID/mem      | the old one or the new: `exec_update_lock`   |
//! | a reader of /proc/PID/maps                   | is no sharer; keeps what it opened           |
//! | SIGKILL, exit_group                          | EINTR before the commit, too late after it   |
//! | the OOM killer, swapoff, KSM, memory cgroups | the copy is an mm like any other             |
//! | a core dump of a sharer                      | dumps its own threads, waits for nobody else |
//! | membarrier                                   | registrations are copied                     |

use kernel::prelude::*;

use crate::{
    contexts::Context,
    failure::Failure,
    sys::{
        mm::{
            self,
            ExecState,
            ExecUpdate,
            Mm,
            NoPiWaiters,
            WithoutCid, //
        },
        task::{
            Current,
            TaskLock, //
        },
    },
};

/// A copy of the address space, while nobody may look into the task's memory.
pub(crate) struct Vm<'a> {
    no_pi_waiters: NoPiWaiters<'a>,
    update: ExecUpdate<'a>,
    exec_state: ExecState,
    mm: Mm,
}

/// Copies the address space.
///
/// The locks come after the copy: who reads the task's memory has to answer the page faults and
/// the fork event that a copy may wait for. `exec_update_lock` is the outer one; inside `exit_mutex`
/// of the futexes, which waiters take with nothing else locked, comes what a page fault locks, as
/// when a task that ends goes through its robust list.
pub(crate) fn prepare(current: &Current) -> Result<Vm<'_>, Failure> {
    dup(current).map_err(Failure::of(Context::Vm))
}

fn dup(current: &Current) -> Result<Vm<'_>> {
    if mm::is_bound(current) {
        return Err(EBUSY);
    }
    // A lock that nobody holds is taken without a look, and a copy takes memory.
    if current.is_killed() {
        return Err(EINTR);
    }
    let exec_state = ExecState::dup(current)?;
    let mm = Mm::dup(current)?;
    mm::fault_in_child_tid(current);
    let update = ExecUpdate::lock(current)?;
    Ok(Vm {
        no_pi_waiters: NoPiWaiters::hold_up(current)?,
        update,
        exec_state,
        mm,
    })
}

impl<'a> Vm<'a> {
    /// Does what has to be done while the task is still in its old address space.
    pub(crate) fn leave(&self, current: &'a Current) -> WithoutCid<'a> {
        mm::clear_child_tid(current);
        WithoutCid::leave(current)
    }

    /// Moves the task; `self` owns the old address space afterwards. Mirrors `exec_mmap()`.
    pub(crate) fn install(&mut self, lock: &mut TaskLock<'_>) {
        self.mm.install(lock);
        self.exec_state.install(lock, &self.update);
    }

    /// Lets others look again, settles the accounts of what was left, and releases it.
    pub(crate) fn release(self, current: &Current) {
        let Self {
            no_pi_waiters,
            update,
            exec_state: _exec_state,
            mm,
        } = self;
        drop((no_pi_waiters, update));
        mm.left_by(current);
        mm::complete_vfork(current);
    }
}
