// SPDX-License-Identifier: GPL-2.0-only

//! What a command inherits from the caller of these programs, although Rust or the program itself
//! needs it to be different meanwhile.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};

static IGNORES_SIGPIPE: AtomicBool = AtomicBool::new(false);

/// The C library calls this before Rust's runtime starts, which ignores SIGPIPE.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD: extern "C" fn() = record;

extern "C" fn record() {
    // SAFETY: The struct may be all zero, and sigaction(2) only writes it.
    let ignored = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    };
    IGNORES_SIGPIPE.store(ignored, Relaxed);
}

/// Resets SIGCHLD to the default, as unshare(1) and nsenter(1) do.
///
/// Where the caller ignores it (cron and some supervisors do), the kernel reaps children by itself
/// and keeps no exit status for their parent.
pub fn reset_sigchld() {
    // SAFETY: The default action runs no handler.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
}

/// Has the command ignore SIGPIPE if the caller did, as systemd has its services do.
pub(crate) fn keep_sigpipe(command: &mut Command) {
    if IGNORES_SIGPIPE.load(Relaxed) {
        // SAFETY: The hook makes one system call and allocates nothing.
        unsafe { command.pre_exec(ignore_sigpipe) };
    }
}

fn ignore_sigpipe() -> io::Result<()> {
    // SAFETY: Ignoring a signal runs no handler.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) }?;
    Ok(())
}

/// Restores SIGPIPE for a program that is executed without [`Command`].
pub fn restore_sigpipe() {
    let action = match IGNORES_SIGPIPE.load(Relaxed) {
        true => SigHandler::SigIgn,
        false => SigHandler::SigDfl,
    };
    // SAFETY: Neither action runs a handler.
    let _ = unsafe { signal(Signal::SIGPIPE, action) };
}
