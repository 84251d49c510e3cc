// SPDX-License-Identifier: GPL-2.0

//! CLONE_SYSVSEM: the list of System V semaphore adjustments.

use crate::{
    contexts::Context,
    request::Request,
    sys::{
        sysvipc,
        task::Current, //
    },
};

/// A list of adjustments that the task is about to leave.
///
/// What its drop does that anyone can see: nothing. It holds nothing; only the commit leaves the
/// list, and so applies adjustments.
///
/// There is nothing to copy: the new list is the empty one, which exists from the first adjustment
/// on.
pub(crate) struct UndoList(());

/// Returns the task's list where it has one that it has to leave.
///
/// Another IPC namespace takes the semaphores out of reach, and so the list has to go with it.
pub(crate) fn prepare(current: &Current, request: &Request) -> Option<UndoList> {
    let leaves = Context::Sysvsem | Context::Ipc;
    let leaves = request.unshare.contains_any(leaves) || request.attach.contains(Context::Ipc);
    if leaves {
        return of(current);
    }
    None
}

/// Returns the list that the task has, for a task that goes to another IPC namespace.
pub(crate) fn of(current: &Current) -> Option<UndoList> {
    sysvipc::has_undo_list(current).then_some(UndoList(()))
}

impl UndoList {
    /// Leaves the list, which its last user applies to the semaphores. Mirrors `exit_sem()`.
    pub(crate) fn commit(self, current: &Current) {
        sysvipc::exit_sem(current);
    }
}
