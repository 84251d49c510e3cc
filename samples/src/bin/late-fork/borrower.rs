// SPDX-License-Identifier: GPL-2.0-only

use std::io;

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::process::Pid;
use unshare_device::{Contexts, Device, Request};
use unshare_samples::{Stack, vfork};

use crate::program::Program;

/// A child that borrows its parent's memory, and the ways in which it can stop. Returning from its
/// function ends it.
#[derive(Debug)]
pub(crate) struct Borrower<'a> {
    device: &'a Device,
    /// The parent's signal mask.
    mask: &'a SigSet,
}

impl Borrower<'_> {
    /// Starts a child that borrows this process's memory. Returns when the child has given it back:
    /// when it ends, or calls [`exec`](Self::exec) or [`fork`](Self::fork).
    ///
    /// # Safety
    ///
    /// The process has one thread. Until it has given the memory back, `child` does not allocate,
    /// drop, lock, print or panic.
    pub(crate) unsafe fn start(
        device: &Device,
        stack: &Stack,
        child: impl Fn(Borrower<'_>) -> i32,
    ) -> io::Result<Pid> {
        // A handler would run in the borrowed memory, which may be in any state.
        let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        let main = || {
            child(Borrower {
                device,
                mask: &mask,
            })
        };
        // SAFETY: The caller promises it. The descriptors are copies, and no signal arrives.
        let pid = unsafe { vfork(Contexts::empty(), stack, &main) };
        mask.thread_set_mask()?;
        pid
    }

    /// Gets a copy of the memory, as fork(2) makes it. The parent continues, and this task may now
    /// do what a forked child may.
    pub(crate) fn fork(self) -> Result<(), unshare_device::Error> {
        let request = Request::new().unshare(Contexts::VM);
        // SAFETY: The descriptor table stays, and no memory was excluded from the copy.
        unsafe { self.device.commit_local(&request) }?;
        // Cannot fail: the kernel returned this mask before.
        let _ = self.mask.thread_set_mask();
        Ok(())
    }

    /// Becomes another program without a copy of the memory. Returns only on an error; the memory
    /// is still borrowed then, and the child can only end.
    pub(crate) fn exec(self, program: &Program) {
        // The table of handlers is the child's, but the memory that they would use is not.
        reset_handlers();
        let _ = self.mask.thread_set_mask();
        program.exec();
    }
}

/// Resets each signal that has a handler to its default action.
fn reset_handlers() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: All bytes zero are the default action.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: It writes to `action` only, and refuses numbers that are no signal.
        let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) };
        let is_handled = ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction);
        if asked == 0 && is_handled {
            action.sa_sigaction = libc::SIG_DFL;
            // SAFETY: No handler is installed.
            unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
        }
    }
}
