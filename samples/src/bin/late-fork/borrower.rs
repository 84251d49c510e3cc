// SPDX-License-Identifier: GPL-2.0-only

use std::io;

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::process::Pid;
use unshare_device::{Contexts, Device, Request};
use unshare_samples::{Stack, vfork};

use crate::program::Program;

/// A child in its parent's memory: what it can do about that. Returning from its function ends it.
#[derive(Debug)]
pub(crate) struct Borrower<'a> {
    device: &'a Device,
    /// The parent's signal mask.
    mask: &'a SigSet,
}

impl Borrower<'_> {
    /// Starts a child that borrows this process's memory, and returns when it gives it back: by its
    /// end, by [`exec`](Self::exec) or by [`fork`](Self::fork).
    ///
    /// # Safety
    ///
    /// The process has one thread. Until it has given the memory back, `child` does not allocate,
    /// drop, lock or print, and does not panic.
    pub(crate) unsafe fn start(
        device: &Device,
        stack: &Stack,
        child: impl Fn(Borrower<'_>) -> i32,
    ) -> io::Result<Pid> {
        // A handler would run in the borrowed memory, and find it in any state.
        let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        let main = || {
            child(Borrower {
                device,
                mask: &mask,
            })
        };
        // SAFETY: By the caller's promise; the descriptors are copies, no signal arrives.
        let pid = unsafe { vfork(Contexts::empty(), stack, &main) };
        mask.thread_set_mask()?;
        pid
    }

    /// Gets a copy of the memory, as fork(2) makes one. The parent goes on, and so does this task,
    /// which may do from now on whatever a forked child may.
    pub(crate) fn fork(self) -> Result<(), unshare_device::Error> {
        let request = Request::new().unshare(Contexts::VM);
        // SAFETY: The descriptor table stays, and nothing here was kept from being copied.
        unsafe { self.device.commit_local(&request) }?;
        // It cannot fail: the mask is one that the kernel gave.
        let _ = self.mask.thread_set_mask();
        Ok(())
    }

    /// Becomes another program, without ever having had memory of its own. Returns when that
    /// fails, in the borrowed memory still: the child can only end then.
    pub(crate) fn exec(self, program: &Program) {
        // Handlers are the child's own, the memory that they work on is not.
        reset_handlers();
        let _ = self.mask.thread_set_mask();
        program.exec();
    }
}

/// Sets those signals to their default that have a handler.
fn reset_handlers() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: All bytes zero are the default action.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: It writes to `action` alone. What is no signal is refused.
        let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) };
        let is_handled = ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction);
        if asked == 0 && is_handled {
            action.sa_sigaction = libc::SIG_DFL;
            // SAFETY: No handler is installed.
            unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
        }
    }
}
