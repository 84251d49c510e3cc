// SPDX-License-Identifier: GPL-2.0-only

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use rustix::process::{WaitOptions, getppid, waitpid};
use unshare_device::{Contexts, Device, Request};
use unshare_samples::{Stack, vfork};

use crate::sharing::kcmp;

/// What a vfork child saw and did that left the memory of its parent, before that and after.
#[derive(Debug)]
pub(crate) struct Borrower {
    /// What it shared with any task, as the module says.
    pub(crate) told: [Contexts; 2],
    /// What it shared with its parent, as kcmp says.
    pub(crate) seen: [Contexts; 2],
    pub(crate) replaced: Contexts,
    /// To a variable of the parent's.
    pub(crate) wrote: [u32; 2],
}

impl Borrower {
    /// Runs the child. With its report comes what the parent read in the variable: when the child
    /// had left, and when it had ended.
    pub(crate) fn run(device: &Device) -> Result<([u32; 2], Self)> {
        let variable = AtomicU32::new(0);
        let stack = Stack::new()?;
        let (ours, its) = UnixStream::pair()?;
        let child = || match Self::leave(device, &variable) {
            // From here on it is a process like any other.
            Ok(report) => i32::from(write!(&its, "{}", report.to_line()).is_err()),
            Err(error) => error.raw_os_error().unwrap_or(1),
        };
        // SAFETY: This program has one thread and no signal handlers of its own. Up to the copy the
        // child makes system calls alone, and an error makes it return at once.
        let pid = unsafe { vfork(Contexts::SIGHAND, &stack, &child) }.context("clone")?;
        let at_commit = variable.load(Ordering::Relaxed);
        let (_, status) = waitpid(Some(pid), WaitOptions::empty())?.context("no child")?;
        let at_end = variable.load(Ordering::Relaxed);
        match status.exit_status() {
            Some(0) => {}
            Some(errno) => return Err(io::Error::from_raw_os_error(errno)).context("the child"),
            None => bail!("the child ended with {status:?}"),
        }

        let mut line = String::new();
        BufReader::new(ours).read_line(&mut line)?;
        Ok(([at_commit, at_end], Self::from_line(&line)?))
    }

    fn leave(device: &Device, variable: &AtomicU32) -> io::Result<Self> {
        let parent = getppid().ok_or(io::ErrorKind::NotFound)?;
        let request = Request::new().unshare(Contexts::VM | Contexts::SIGHAND);

        variable.store(1, Ordering::Relaxed);
        let (told, seen) = (device.query()?.shared, kcmp(parent)?);
        // SAFETY: The descriptor table stays, and nothing was kept from being copied.
        let replaced = unsafe { device.commit_local(&request) }.map_err(|error| error.errno)?;
        variable.store(2, Ordering::Relaxed);
        Ok(Self {
            told: [told, device.query()?.shared],
            seen: [seen, kcmp(parent)?],
            replaced,
            wrote: [1, variable.load(Ordering::Relaxed)],
        })
    }

    fn to_line(&self) -> String {
        let ([a, b], [c, d], [e, f]) = (self.told, self.seen, self.wrote);
        let bits = [a, b, c, d, self.replaced].map(|contexts| contexts.bits().to_string());
        format!("{} {e} {f}\n", bits.join(" "))
    }

    /// Of what [`to_line`](Self::to_line) made.
    fn from_line(line: &str) -> Result<Self> {
        let words: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
        let words = words.with_context(|| line.to_owned())?;
        let [a, b, c, d, replaced, e, f] = words[..] else {
            bail!("the child said {line:?}");
        };
        let contexts = Contexts::from_bits_retain;
        Ok(Self {
            told: [contexts(a), contexts(b)],
            seen: [contexts(c), contexts(d)],
            replaced: contexts(replaced),
            wrote: [u32::try_from(e)?, u32::try_from(f)?],
        })
    }
}
