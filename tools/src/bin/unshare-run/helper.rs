// SPDX-License-Identifier: GPL-2.0-only

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::exit;

use anyhow::{Context, Result, bail};
use nix::unistd::{ForkResult, fork};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, getpid, waitpid};

use crate::PROGRAM;

/// A child that stays in the namespaces of before, to do something there after the request.
#[derive(Debug)]
pub(crate) struct Helper {
    child: Pid,
    go: OwnedFd,
}

impl Helper {
    /// Forks the child, which waits. `work` gets the number of this process.
    ///
    /// # Safety
    ///
    /// The process has one thread.
    pub(crate) unsafe fn fork(work: impl FnOnce(Pid) -> Result<()>) -> Result<Self> {
        let parent = getpid();
        let (wait, go) = pipe_with(PipeFlags::CLOEXEC).context("pipe")?;
        // SAFETY: By the caller's promise.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => {
                let child = Pid::from_raw(child.as_raw()).context("fork")?;
                Ok(Self { child, go })
            }
            ForkResult::Child => {
                drop(go);
                // Without a byte, the parent has ended.
                let told = File::from(wait).read_exact(&mut [0]);
                let Some(Err(error)) = told.ok().map(|()| work(parent)) else {
                    exit(0);
                };
                eprintln!("{PROGRAM}: {error:#}");
                exit(1);
            }
        }
    }

    /// Has the child do its work, and waits for that.
    pub(crate) fn run(self) -> Result<()> {
        File::from(self.go).write_all(&[1]).context("pipe")?;
        match waitpid(Some(self.child), WaitOptions::empty())? {
            Some((_, status)) if status.exit_status() == Some(0) => Ok(()),
            _ => bail!("the command does not run"),
        }
    }

    /// The descriptor that it needs.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.go.as_raw_fd()
    }
}
