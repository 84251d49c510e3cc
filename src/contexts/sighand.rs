// SPDX-License-Identifier: GPL-2.0

//! CLONE_SIGHAND: the signal handlers.
//!
//! Pending signals and the signal mask stay: they belong to the task. A signalfd that was added to an epoll
//! set before keeps waiting on the wait queue of the old handlers, as it does after an execve of a task
//! that shared them.

use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    failure::Failure,
    sys::sighand::Sighand, //
};

/// Allocates memory for a copy of the handlers, if `shared` has them.
pub(crate) fn prepare(shared: Contexts) -> Result<Option<Sighand>, Failure> {
    shared
        .contains(Context::Sighand)
        .then(Sighand::alloc)
        .transpose()
        .map_err(Failure::of(Context::Sighand))
}
