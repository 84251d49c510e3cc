// SPDX-License-Identifier: GPL-2.0

//! CLONE_SIGHAND: the signal handlers.
//!
//! Pending signals and the mask of blocked ones stay: they are the task's own. What waits on a
//! signalfd that was added to an epoll set before goes on waiting at the old handlers, as it does
//! after an execve of a task that shared them.

use crate::{
    contexts::Context,
    failure::Failure,
    request::Request,
    sys::{
        sighand::Sighand,
        task::Current, //
    },
};

/// Makes room for a copy of the handlers where another task uses them too.
pub(crate) fn prepare(current: &Current, request: &Request) -> Result<Option<Sighand>, Failure> {
    let handlers = request.unshare & Context::Sighand;
    (!current.shared_contexts(handlers).is_empty())
        .then(Sighand::alloc)
        .transpose()
        .map_err(Failure::of(Context::Sighand))
}
