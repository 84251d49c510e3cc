// SPDX-License-Identifier: GPL-2.0-only

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process;

use anyhow::{Context, Result};
use nix::libc;
use rustix::process::{
    Pid, Signal, WaitOptions, getppid, kill_process, set_parent_process_death_signal, waitpid,
};
use unshare_device::Contexts;

use crate::sharing::shared_with;
use crate::view::View;

// What it can be asked.
const VIEW: u8 = b'v';
const SHARED: u8 = b's';

/// A process that shares contexts with this one, changes nothing, and says what it sees.
#[derive(Debug)]
pub(crate) struct Witness {
    pid: Pid,
    ours: UnixStream,
    /// In a shared table this descriptor is the witness's too: it must stay open.
    _its: UnixStream,
}

impl Witness {
    /// Clones this process.
    ///
    /// # Safety
    ///
    /// The process has one thread. `shared` does not name what Rust must have for itself, as the
    /// address space is; and where it names the descriptors, neither process closes one that the
    /// other one owns.
    pub(crate) unsafe fn clone_with(shared: Contexts) -> io::Result<Self> {
        let (ours, mut its) = UnixStream::pair()?;
        let flags = shared.bits() | libc::SIGCHLD as u64;
        // SAFETY: Without CLONE_VM this is fork(2); the rest is the caller's promise.
        match unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } {
            -1 => Err(io::Error::last_os_error()),
            0 => process::exit(i32::from(testify(&mut its).is_err())),
            pid => Ok(Self {
                pid: Pid::from_raw(pid as i32).ok_or(io::ErrorKind::InvalidData)?,
                ours,
                _its: its,
            }),
        }
    }

    /// Asks what it sees.
    pub(crate) fn view(&self) -> Result<View> {
        View::from_line(&self.ask(VIEW)?)
    }

    /// Asks what it shares with this task. It has the privilege to find out when this task no
    /// longer has.
    pub(crate) fn shared(&self) -> Result<Contexts> {
        let line = self.ask(SHARED)?;
        let bits = line.trim_end().parse().with_context(|| line.clone())?;
        Ok(Contexts::from_bits_retain(bits))
    }

    fn ask(&self, question: u8) -> io::Result<String> {
        (&self.ours).write_all(&[question])?;
        let mut line = String::new();
        BufReader::new(&self.ours).read_line(&mut line)?;
        Ok(line)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = waitpid(Some(self.pid), WaitOptions::empty());
    }
}

/// What the witness does, until it is killed.
fn testify(stream: &mut UnixStream) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = getppid().context("no parent")?;
    loop {
        let mut question = [0];
        stream.read_exact(&mut question)?;
        let answer = match question {
            [VIEW] => View::own().map(|view| view.to_line()),
            _ => shared_with(parent).map(|shared| format!("{}\n", shared.bits())),
        };
        let answer = answer.unwrap_or_else(|error| format!("witness: {error:#}\n"));
        stream.write_all(answer.as_bytes())?;
    }
}
