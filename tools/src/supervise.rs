// SPDX-License-Identifier: GPL-2.0-only

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::ForkResult;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, WaitOptions, getpid, kill_process, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal, waitpid,
};

use crate::terminal::{Relay, Terminal};

/// Where [`fork`] returned.
#[derive(Debug)]
pub enum Fork {
    /// In the child, which goes on as its parent would have.
    Child(Parent),
    /// In the parent, which has yet to wait.
    Parent(Supervised),
}

/// A child that runs in its parent's place.
#[derive(Debug)]
pub struct Supervised {
    child: Pid,
    pidfd: OwnedFd,
    signals: SignalFd,
    relay: Option<Relay>,
}

/// The process that supervises this one.
#[derive(Debug)]
pub struct Parent(OwnedFd);

/// Signals that are meant for the command, wherever they arrive.
const PASSED_ON: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    // A supervisor that has stopped with its child goes on with it.
    Signal::SIGCONT,
];

/// Forks; the parent is to do nothing but [`Supervised::wait`]. With a terminal, the child has that
/// one in a session of its own.
///
/// # Errors
///
/// Those of fork(2): `EAGAIN`, `ENOMEM`.
///
/// # Safety
///
/// The process has one thread. In the child of several, only what signal handlers may do is sound.
pub unsafe fn fork(terminal: Option<Terminal>) -> io::Result<Fork> {
    let mut signals: SigSet = PASSED_ON.into_iter().collect();
    signals.add(Signal::SIGCHLD);
    signals.add(Signal::SIGWINCH);
    // Before the fork, so that none is lost.
    let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let fd = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let parent = pidfd_open(getpid(), PidfdFlags::empty())?;

    // SAFETY: By the caller's promise.
    let fork = unsafe { nix::unistd::fork() };
    match fork {
        Ok(ForkResult::Parent { child }) => {
            let child = Pid::from_raw(child.as_raw()).ok_or(io::ErrorKind::InvalidData)?;
            Ok(Fork::Parent(Supervised {
                child,
                pidfd: pidfd_open(child, PidfdFlags::empty())?,
                signals: fd,
                relay: terminal.map(Terminal::relay).transpose()?,
            }))
        }
        other => {
            before.thread_set_mask()?;
            other?;
            if let Some(terminal) = terminal {
                terminal.take()?;
            }
            Ok(Fork::Child(Parent(parent)))
        }
    }
}

impl Parent {
    /// Has the kernel send `signal` to this process when its parent ends.
    ///
    /// A change of user or group cancels that, so this comes after the last of them.
    ///
    /// # Errors
    ///
    /// `ESRCH` when the parent has ended already.
    pub fn kill_with(&self, signal: rustix::process::Signal) -> io::Result<()> {
        set_parent_process_death_signal(Some(signal))?;
        let mut ended = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut ended, Some(&Default::default()))? {
            0 => Ok(()),
            _ => Err(io::Error::from(rustix::io::Errno::SRCH)),
        }
    }
}

impl Supervised {
    /// Waits for the child, and passes on to it the signals that were sent to this process alone.
    /// When the child stops, this process stops too. Gives the exit status that a shell would: the
    /// child's own, or 128 and the number of the signal that ended it.
    ///
    /// # Errors
    ///
    /// Those of read(2), poll(2) and waitpid(2), none of which is expected.
    pub fn wait(mut self) -> io::Result<ExitCode> {
        loop {
            // SIGCONT before the question whether the child has stopped: the child goes on first.
            while let Some(info) = self.signals.read_signal()? {
                self.handle(&info);
            }
            // Signals that are pending for the child's end are merged, so ask, whatever came.
            let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
            match waitpid(Some(self.child), options)? {
                Some((_, status)) if status.stopped() => self.stop()?,
                Some((_, status)) => {
                    let code = match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => code,
                        (None, signal) => 128 + signal.unwrap_or(0),
                    };
                    if let Some(relay) = &mut self.relay {
                        relay.drain();
                    }
                    return Ok(ExitCode::from(code as u8));
                }
                None => self.listen()?,
            }
        }
    }

    /// Waits for a signal, or moves what was typed or printed.
    fn listen(&mut self) -> io::Result<()> {
        let signals = self.signals.as_fd();
        match &mut self.relay {
            Some(relay) => relay.step(signals),
            None => {
                let mut fds = [PollFd::new(&signals, PollFlags::IN)];
                match poll(&mut fds, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    fn handle(&self, info: &siginfo) {
        let signal = i32::try_from(info.ssi_signo).unwrap_or(0);
        if signal == libc::SIGWINCH {
            if let Some(relay) = &self.relay {
                relay.resize();
            }
            return;
        }
        // The terminal's driver sends these to the child too, unless it has a terminal of its own.
        let from_terminal = self.relay.is_none()
            && info.ssi_code == libc::SI_KERNEL
            && [libc::SIGINT, libc::SIGQUIT].contains(&signal);
        if signal == libc::SIGCHLD || from_terminal {
            return;
        }
        if let Some(signal) = rustix::process::Signal::from_named_raw(signal) {
            // A child that changed its user may not be signalled, and one that has ended cannot be.
            // Both are still waited for.
            let _ = pidfd_send_signal(&self.pidfd, signal);
        }
    }

    /// Stops as the child did, so that a shell with job control sees it. Returns after SIGCONT.
    fn stop(&mut self) -> io::Result<()> {
        if let Some(relay) = &self.relay {
            relay.suspend();
        }
        kill_process(getpid(), rustix::process::Signal::STOP)?;
        if let Some(relay) = &self.relay {
            relay.resume();
        }
        Ok(())
    }
}
