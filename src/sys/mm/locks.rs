// SPDX-License-Identifier: GPL-2.0

//! The locks that keep other tasks out while the running task switches to the copy.

use kernel::prelude::*;

use super::{
    child_tid::ChildTid,
    ExecUpdate,
    NoPiWaiters, //
};
use crate::sys::{
    target::Patience,
    task::Current, //
};

/// Keeps out tasks that access the running task's memory, and tasks that wait for its PI futexes.
///
/// If the task will leave its address space (`moves`), the word of `clear_child_tid` can be written
/// without a page fault when this returns. A task that shares the memory may discard the word's
/// page while this waits for a lock. Then this unlocks, faults the page in and retries.
///
/// Fails with `EINTR` on a fatal signal. Fails with `EBUSY` if another task waits for a PI futex,
/// or if another task holds `exec_update_lock` or keeps discarding the page for more than a second.
pub(crate) fn keep_out<'a>(
    current: &'a Current,
    moves: bool,
) -> Result<(ExecUpdate<'a>, NoPiWaiters<'a>)> {
    let mut patience = Patience::new();
    loop {
        let word = moves.then(|| ChildTid::fault_in(current));
        let update = ExecUpdate::lock(current, &mut patience)?;
        let no_pi_waiters = NoPiWaiters::hold_up(current)?;
        if word.as_ref().is_none_or(ChildTid::is_in_place) {
            return Ok((update, no_pi_waiters));
        }
        drop((no_pi_waiters, update));
        patience.wait(current, None)?;
    }
}
