// SPDX-License-Identifier: GPL-2.0

//! The table of signal handlers.
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h).

use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*, //
};

use super::{
    bindings::{
        unshare_alloc_sighand,
        unshare_free_sighand,
        unshare_sighand_install, //
    },
    task::Current,
};

/// A reference to a `struct sighand_struct`.
///
/// # Invariants
///
/// Owns one count of the structure.
pub(crate) struct Sighand(NonNull<bindings::sighand_struct>);

impl Sighand {
    /// Makes room for handlers. Fails with `ENOMEM`.
    pub(crate) fn alloc() -> Result<Self> {
        // SAFETY: Reached only where the kernel's cache was found.
        let sighand = unsafe { unshare_alloc_sighand() };
        // INVARIANT: A new structure has one count, which is this value's.
        NonNull::new(sighand).map(Self).ok_or(ENOMEM)
    }

    /// Copies the task's handlers and gives it the copy; `self` owns the old one afterwards.
    ///
    /// Mirrors `unshare_sighand()`. The locks that it takes, `tasklist_lock` and `siglock`, must
    /// not be taken inside of `task_lock`.
    pub(crate) fn install(&mut self, current: &Current) {
        // SAFETY: The task runs, and owns a count of its handlers as `self` does of the new ones:
        // the two change hands.
        let old = unsafe { unshare_sighand_install(current.as_ptr(), self.0.as_ptr()) };
        // SAFETY: A task that runs has handlers.
        self.0 = unsafe { NonNull::new_unchecked(old) };
    }
}

impl Drop for Sighand {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the count is ours to give back.
        unsafe { unshare_free_sighand(self.0.as_ptr()) };
    }
}
