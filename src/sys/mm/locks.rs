// SPDX-License-Identifier: GPL-2.0

//! The locks that keep others out while a task moves.

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

/// Locks out the tasks that look into the running task's memory, and those that wait for its PI futexes.
///
/// If the task is to move (`moves`), the word of `clear_child_tid` can be written without a page fault when
/// this returns. A sharer of the memory may discard the word's page while this waits for a lock; then this
/// unlocks, faults the page in and tries again.
///
/// Fails with `EINTR` after a deadly signal. Fails with `EBUSY` if another task waits for a PI futex, or if a
/// task that looks, or one that discards the page, is in the way for more than a second.
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
