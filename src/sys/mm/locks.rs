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

/// Keeps out who looks into the running task's memory, or waits for a PI futex of it.
///
/// Where the task is to move (`moves`), the word of `clear_child_tid` is in place then. If a sharer of the
/// memory discards it while this waits for a lock, the locks are given back, and it is put in place again.
///
/// Fails with `EINTR` after a deadly signal, and with `EBUSY` where a lock, or the word, takes more than a
/// second, or for a PI futex.
pub(crate) fn keep_out<'a>(
    current: &'a Current,
    moves: bool,
) -> Result<(ExecUpdate<'a>, NoPiWaiters<'a>)> {
    let mut patience = Patience::new();
    loop {
        let word = moves.then(|| ChildTid::fault_in(current));
        let update = ExecUpdate::lock_in_time(current)?;
        let no_pi_waiters = NoPiWaiters::hold_up(current)?;
        if word.is_none_or(|word| word.is_in_place()) {
            return Ok((update, no_pi_waiters));
        }
        drop((no_pi_waiters, update));
        patience.wait(current, None)?;
    }
}
