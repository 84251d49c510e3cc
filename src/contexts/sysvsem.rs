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
/// Other tasks cannot see the drop of this value, which owns nothing. Only the commit leaves the list, and
/// so may apply adjustments.
///
/// There is nothing to copy: the new list is empty, and the kernel allocates it at the first adjustment.
pub(crate) struct UndoList(());

/// Returns the task's list if the request makes the task leave it.
///
/// From another IPC namespace, the task cannot reach the semaphores of its list, so it leaves the list, too.
pub(crate) fn prepare(current: &Current, request: &Request) -> Option<UndoList> {
    let leaves = Context::Sysvsem | Context::Ipc;
    let leaves = request.unshare.contains_any(leaves) || request.attach.contains(Context::Ipc);
    if leaves {
        return of(current);
    }
    None
}

/// Returns the task's list, if it has one.
pub(crate) fn of(current: &Current) -> Option<UndoList> {
    sysvipc::has_undo_list(current).then_some(UndoList(()))
}

impl UndoList {
    /// Leaves the list. The last user applies it to the semaphores. Mirrors `exit_sem()`.
    pub(crate) fn commit(self, current: &Current) {
        sysvipc::exit_sem(current);
    }
}
