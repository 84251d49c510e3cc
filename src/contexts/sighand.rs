// SPDX-License-Identifier: GPL-2.0

//! CLONE_SIGHAND: the signal handlers.
//!
//! Pending signals and the mask of blocked ones stay: they are the task's own. What waits on a
//! signalfd that was added to an epoll set before goes on waiting at the old handlers, as it does
//! after an execve of a task that shared them.

use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    failure::Failure,
    sys::sighand::Sighand, //
};

/// Makes room for a copy of the handlers where they are among what is `shared`.
pub(crate) fn prepare(shared: Contexts) -> Result<Option<Sighand>, Failure> {
    shared
        .contains(Context::Sighand)
        .then(Sighand::alloc)
        .transpose()
        .map_err(Failure::of(Context::Sighand))
}
