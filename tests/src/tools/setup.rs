// SPDX-License-Identifier: GPL-2.0-only

//! What a caller gives to a command beside its arguments.

use std::fs::File;
use std::io::{self, Write};
use std::mem::zeroed;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

/// Has something done in the child before it executes the command.
pub(crate) fn before_exec(
    command: &mut Command,
    hook: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) -> &mut Command {
    // SAFETY: This process has one thread.
    unsafe { command.pre_exec(hook) }
}

/// The result of a C function.
pub(crate) fn checked(result: impl TryInto<i64>) -> io::Result<()> {
    match result.try_into() {
        Ok(result) if result < 0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

pub(crate) fn ignore(signal: i32) -> io::Result<()> {
    // SAFETY: Ignoring a signal runs no handler.
    match unsafe { libc::signal(signal, libc::SIG_IGN) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

pub(crate) fn block(signal: i32) -> io::Result<()> {
    // SAFETY: The set is this function's own.
    unsafe {
        let mut set = zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        checked(libc::sigprocmask(
            libc::SIG_BLOCK,
            &set,
            std::ptr::null_mut(),
        ))
    }
}

/// Sets a resource limit, both its values.
pub(crate) fn limit(resource: u32, value: u64) -> io::Result<()> {
    let limits = libc::rlimit {
        rlim_cur: value,
        rlim_max: value,
    };
    // SAFETY: The struct is this function's own.
    checked(unsafe { libc::setrlimit(resource as _, &limits) })
}

/// Takes a capability from the programs that this process executes.
pub(crate) fn drop_capability(number: u32) -> io::Result<()> {
    // SAFETY: It only takes numbers.
    checked(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) })
}

/// A seccomp filter under which the system call `number` returns EPERM.
pub(crate) fn deny(number: i64) -> io::Result<()> {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        step(LOAD_NUMBER, 0, 0, 0),
        step(IF_EQUAL, 0, 1, u32::try_from(number).unwrap_or(u32::MAX)),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: The kernel copies the program.
    checked(unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &program,
            0,
            0,
        )
    })
}

/// Begins a session, on a terminal if there is one.
pub(crate) fn begin_session(terminal: Option<RawFd>) -> io::Result<()> {
    // SAFETY: It takes nothing.
    checked(unsafe { libc::setsid() })?;
    match terminal {
        // SAFETY: It takes a number.
        Some(fd) => checked(unsafe { libc::ioctl(fd, libc::TIOCSCTTY, 0) }),
        None => Ok(()),
    }
}

/// The two ends of a terminal.
pub(crate) struct Pty {
    pub(crate) master: OwnedFd,
    pub(crate) slave: OwnedFd,
}

impl Pty {
    pub(crate) fn new() -> Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        Ok(Self { master, slave })
    }

    /// Has the command begin a session on it, and speak through it.
    pub(crate) fn give(&self, command: &mut Command) -> Result<()> {
        let slave = self.slave.as_raw_fd();
        command
            .stdin(self.slave.try_clone()?)
            .stdout(self.slave.try_clone()?)
            .stderr(self.slave.try_clone()?);
        before_exec(command, move || begin_session(Some(slave)));
        Ok(())
    }

    /// Reads what was printed, up to these words.
    pub(crate) fn read_until(&self, words: &str) -> Result<()> {
        let mut printed = Vec::new();
        while !printed.ends_with(words.as_bytes()) {
            let mut byte = [0];
            let count = rustix::io::read(&self.master, &mut byte)
                .with_context(|| format!("{words:?}: {}", printed.escape_ascii()))?;
            printed.extend(&byte[..count]);
        }
        Ok(())
    }

    /// Types on the keyboard.
    pub(crate) fn type_in(&self, keys: &str) -> io::Result<()> {
        File::from(self.master.try_clone()?).write_all(keys.as_bytes())
    }

    /// How many bytes wait to be read on the slave's side.
    pub(crate) fn pending(&self) -> Result<i32> {
        let mut count = 0;
        // SAFETY: The kernel writes an int.
        checked(unsafe { libc::ioctl(self.slave.as_raw_fd(), libc::FIONREAD, &mut count) })?;
        Ok(count)
    }
}
