// SPDX-License-Identifier: GPL-2.0-only

use std::io;
use std::process::ExitCode;

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::ForkResult;
use rustix::process::{Pid, WaitOptions, kill_process, waitpid};

/// Where [`fork`] returned.
#[derive(Debug)]
pub enum Fork {
    /// In the child, which goes on as its parent would have.
    Child,
    /// In the parent, which has yet to wait.
    Parent(Supervised),
}

/// A child that runs in its parent's place.
#[derive(Debug)]
pub struct Supervised {
    child: Pid,
    signals: SignalFd,
}

/// Signals that are meant for the command, wherever they arrive.
const PASSED_ON: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// Forks; the parent is to do nothing but [`Supervised::wait`].
///
/// # Errors
///
/// Those of fork(2): `EAGAIN`, `ENOMEM`.
///
/// # Safety
///
/// The process has one thread. In the child of several, only what signal handlers may do is sound.
pub unsafe fn fork() -> io::Result<Fork> {
    let mut signals: SigSet = PASSED_ON.into_iter().collect();
    signals.add(Signal::SIGCHLD);
    // Before the fork, so that none is lost.
    let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let fd = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;

    // SAFETY: By the caller's promise.
    let fork = unsafe { nix::unistd::fork() };
    match fork {
        Ok(ForkResult::Parent { child }) => Ok(Fork::Parent(Supervised {
            child: Pid::from_raw(child.as_raw()).ok_or(io::ErrorKind::InvalidData)?,
            signals: fd,
        })),
        other => {
            before.thread_set_mask()?;
            other?;
            Ok(Fork::Child)
        }
    }
}

impl Supervised {
    /// Waits for the child, and passes on to it the signals that were sent to this process alone.
    /// Gives the exit status that a shell would: the child's own, or 128 and the number of the
    /// signal that ended it.
    ///
    /// # Errors
    ///
    /// Those of read(2) and waitpid(2), none of which is to be expected.
    pub fn wait(self) -> io::Result<ExitCode> {
        loop {
            // Signals that are pending for the child's end are merged, so ask, whatever came.
            if let Some((_, status)) = waitpid(Some(self.child), WaitOptions::NOHANG)? {
                let code = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => code,
                    (None, signal) => 128 + signal.unwrap_or(0),
                };
                return Ok(ExitCode::from(code as u8));
            }
            let Some(info) = self.signals.read_signal()? else {
                continue;
            };
            let signal = i32::try_from(info.ssi_signo).unwrap_or(0);
            // What the terminal sends, it sends to the child too.
            let from_terminal =
                info.ssi_code == libc::SI_KERNEL && [libc::SIGINT, libc::SIGQUIT].contains(&signal);
            if signal == libc::SIGCHLD || from_terminal {
                continue;
            }
            if let Some(signal) = rustix::process::Signal::from_named_raw(signal) {
                kill_process(self.child, signal)?;
            }
        }
    }
}
