// SPDX-License-Identifier: GPL-2.0-only

//! A command that a test stops at each system call.

use std::io;
use std::process::{Child, Command};
use std::ptr::null_mut;

use anyhow::Result;

use super::setup::{before_exec, checked};
use crate::check::bail;

/// Where a command has stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// At the beginning or the end of a system call.
    Call,
    /// It has executed a program, and nothing of that program has run.
    Exec,
}

/// A command that is killed when this is dropped.
pub(crate) struct Traced {
    child: Child,
    pid: i32,
}

impl Traced {
    /// Starts the command, which stops after its exec.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        before_exec(&mut command, || request(libc::PTRACE_TRACEME, 0, 0));
        let child = command.spawn()?;
        let pid = i32::try_from(child.id())?;
        let traced = Self { child, pid };
        traced.wait()?;
        let options =
            libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL;
        request(libc::PTRACE_SETOPTIONS, pid, options as usize)?;
        Ok(traced)
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Has the command run to its next stop.
    pub(crate) fn step(&self) -> Result<Stop> {
        let mut signal = 0;
        loop {
            request(libc::PTRACE_SYSCALL, self.pid, signal)?;
            let status = self.wait()?;
            if !libc::WIFSTOPPED(status) {
                bail!("the command has ended: {status:#x}");
            }
            // The status of an event has its number above the signal's.
            match status >> 8 {
                CALL => return Ok(Stop::Call),
                EXEC => return Ok(Stop::Exec),
                other => signal = usize::try_from(other)?,
            }
        }
    }

    fn wait(&self) -> io::Result<i32> {
        let mut status = 0;
        // SAFETY: The kernel writes an int.
        checked(unsafe { libc::waitpid(self.pid, &mut status, 0) })?;
        Ok(status)
    }
}

const CALL: i32 = libc::SIGTRAP | 0x80;
const EXEC: i32 = libc::SIGTRAP | (libc::PTRACE_EVENT_EXEC << 8);

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// ptrace(2) with a number.
fn request(request: libc::c_uint, pid: i32, data: usize) -> io::Result<()> {
    // SAFETY: These requests neither read nor write memory of this process.
    checked(unsafe { libc::ptrace(request, pid, null_mut::<()>(), data) })
}
