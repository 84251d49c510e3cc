// SPDX-License-Identifier: GPL-2.0-only

//! A pseudo-terminal for the command, as `su --pty` makes one.
//!
//! On a terminal that it shares with its caller, a command can push characters into the input of the
//! caller's shell (TIOCSTI, where the `dev.tty.legacy_tiocsti` sysctl allows it). On one of its own,
//! only the command itself reads them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::libc;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

/// A terminal that no process has yet.
#[derive(Debug)]
pub struct Terminal {
    /// `None` if the caller has none either: the command gets a session alone.
    ends: Option<(OwnedFd, OwnedFd)>,
}

/// The supervisor's side: copies between the caller's terminal and the command's.
#[derive(Debug)]
pub(crate) struct Relay {
    ends: Option<(OwnedFd, Caller)>,
}

/// The caller's terminal.
#[derive(Debug)]
struct Caller {
    fd: BorrowedFd<'static>,
    settings: Termios,
    /// Whether what is typed there is still read.
    reads: bool,
    /// Whether a process still has the command's terminal open.
    prints: bool,
}

fn standard_streams() -> [BorrowedFd<'static>; 3] {
    [stdin(), stdout(), stderr()]
}

fn callers() -> Option<BorrowedFd<'static>> {
    standard_streams().into_iter().find(|fd| isatty(fd))
}

impl Terminal {
    /// Makes one with the size and the settings of the caller's.
    ///
    /// # Errors
    ///
    /// `ENOENT` without /dev/ptmx; `ENOSPC` over the `kernel.pty.max` sysctl.
    pub fn new() -> io::Result<Self> {
        let Some(terminal) = callers() else {
            return Ok(Self { ends: None });
        };
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        tcsetattr(&slave, OptionalActions::Now, &tcgetattr(terminal)?)?;
        tcsetwinsize(&slave, tcgetwinsize(terminal)?)?;
        Ok(Self {
            ends: Some((master, slave)),
        })
    }

    /// The descriptors that it needs.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let ends = self.ends.iter();
        ends.flat_map(|(master, slave)| [master.as_raw_fd(), slave.as_raw_fd()])
    }

    /// In the child: begins a session on it, instead of each standard stream that is a terminal.
    pub(crate) fn take(self) -> io::Result<()> {
        setsid()?;
        let Some((_, slave)) = self.ends else {
            return Ok(());
        };
        ioctl_tiocsctty(&slave)?;
        for stream in standard_streams().into_iter().filter(|fd| isatty(fd)) {
            // SAFETY: Standard streams have no owner in this program.
            if unsafe { libc::dup2(slave.as_raw_fd(), stream.as_raw_fd()) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }

    /// In the parent: has the caller's terminal pass on each key, as it is typed.
    pub(crate) fn relay(self) -> io::Result<Relay> {
        let (Some((master, _)), Some(fd)) = (self.ends, callers()) else {
            return Ok(Relay { ends: None });
        };
        fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
        let settings = tcgetattr(fd)?;
        let reads = isatty(stdin());
        let caller = Caller {
            fd,
            settings,
            reads,
            prints: true,
        };
        let relay = Relay {
            ends: Some((master, caller)),
        };
        relay.resume();
        Ok(relay)
    }
}

impl Relay {
    /// Waits until there is something to copy, or a signal, and copies.
    pub(crate) fn step(&mut self, signals: BorrowedFd<'_>) -> io::Result<()> {
        let Some((master, caller)) = &mut self.ends else {
            return wait(&mut [PollFd::new(&signals, PollFlags::IN)]);
        };
        let mut fds = vec![PollFd::new(&signals, PollFlags::IN)];
        if caller.prints {
            fds.push(PollFd::new(&*master, PollFlags::IN));
        }
        if caller.reads {
            fds.push(PollFd::from_borrowed_fd(stdin(), PollFlags::IN));
        }
        wait(&mut fds)?;
        let is_ready = |fd: BorrowedFd<'_>| {
            let mut found = fds.iter().filter(|ready| !ready.revents().is_empty());
            found.any(|ready| ready.as_fd().as_raw_fd() == fd.as_raw_fd())
        };
        let (printed, typed) = (is_ready(master.as_fd()), is_ready(stdin()));
        if printed {
            // The master stays open: closing it would hang up on the command.
            caller.prints = copy(master.as_fd(), caller.output())?;
        }
        if typed {
            caller.reads = copy(stdin(), master.as_fd())?;
        }
        Ok(())
    }

    /// Copies what was printed and not yet read.
    pub(crate) fn drain(&mut self) {
        if let Some((master, caller)) = &self.ends {
            while copy(master.as_fd(), caller.output()).unwrap_or(false) {
                let mut fds = [PollFd::new(master, PollFlags::IN)];
                if poll(&mut fds, Some(&Default::default())).unwrap_or(0) == 0 {
                    break;
                }
            }
        }
    }

    /// Gives the command's terminal the size that the caller's has now.
    pub(crate) fn resize(&self) {
        if let Some((master, caller)) = &self.ends {
            let _ = tcgetwinsize(caller.fd).and_then(|size| tcsetwinsize(master, size));
        }
    }

    /// Gives the caller's terminal its settings back.
    pub(crate) fn suspend(&self) {
        if let Some((_, caller)) = &self.ends {
            let _ = tcsetattr(caller.fd, OptionalActions::Drain, &caller.settings);
        }
    }

    /// Has the caller's terminal pass on each key, instead of lines and signals.
    pub(crate) fn resume(&self) {
        if let Some((_, caller)) = &self.ends {
            let mut raw = caller.settings.clone();
            raw.make_raw();
            let _ = tcsetattr(caller.fd, OptionalActions::Drain, &raw);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.suspend();
    }
}

impl Caller {
    fn output(&self) -> BorrowedFd<'static> {
        match isatty(stdout()) {
            true => stdout(),
            false => self.fd,
        }
    }
}

fn wait(fds: &mut [PollFd<'_>]) -> io::Result<()> {
    match poll(fds, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Copies what is there; false at the end.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    let count = match rustix::io::read(from, &mut buffer) {
        // EIO: no process has the other end of the terminal open.
        Ok(0) | Err(Errno::IO) => return Ok(false),
        Ok(count) => count,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let mut rest = &buffer[..count];
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::AGAIN) => wait(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)])?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}
