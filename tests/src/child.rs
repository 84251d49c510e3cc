// SPDX-License-Identifier: GPL-2.0-only

//! A forked child that does one thing and reports the result.

use std::fmt;
use std::os::fd::OwnedFd;
use std::panic;
use std::time::Duration;

use anyhow::{Context, Error, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, pidfd_open,
    set_parent_process_death_signal, waitpid,
};

use crate::check::{bail, ensure};
use crate::mailbox::{Mailbox, Page};

const DONE: u32 = 1;
const FAILED: u32 = 2;
const SKIPPED: u32 = 3;

/// The reason why a test cannot run on this kernel.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// Ends a test as skipped.
pub(crate) fn skip<T>(reason: impl Into<String>) -> Result<T> {
    Err(Skip(reason.into()).into())
}

/// A running child. When dropped, it is killed with everything that it started, and reaped.
pub(crate) struct Child {
    pub(crate) pid: Pid,
    mailbox: Mailbox,
    reaped: bool,
}

impl Child {
    /// Forks, and runs `work` in the child.
    pub(crate) fn spawn(work: impl FnOnce() -> Result<String>) -> Result<Self> {
        let mailbox = Mailbox::new()?;
        // SAFETY: A task that calls this has one thread, so the child may do what the parent may.
        match unsafe { libc::fork() } {
            -1 => Err(std::io::Error::last_os_error()).context("fork"),
            0 => run(&mailbox, work),
            pid => Self::born(pid, mailbox),
        }
    }

    /// The child `pid`, which reports through `mailbox`.
    pub(crate) fn born(pid: i32, mailbox: Mailbox) -> Result<Self> {
        Ok(Self {
            pid: Pid::from_raw(pid).context("no pid")?,
            mailbox,
            reaped: false,
        })
    }

    /// Waits for the child's report, for at most `limit`.
    pub(crate) fn report(mut self, limit: Duration) -> Result<String> {
        let end = self.end(limit)?;
        self.said()?
            .with_context(|| format!("ended without a report: {end:?}"))
    }

    /// As [`report`](Self::report), but returns `None` if the child was killed before it reported.
    pub(crate) fn report_unless_killed(mut self, limit: Duration) -> Result<Option<String>> {
        let end = self.end(limit)?;
        let said = self.said()?;
        let killed = end.terminating_signal() == Some(Signal::KILL.as_raw());
        ensure!(said.is_some() || killed, "ended without a report: {end:?}");
        Ok(said)
    }

    fn said(&self) -> Result<Option<String>> {
        let page = self.mailbox.page();
        match page.state() {
            DONE => Ok(Some(page.text())),
            // The text says where the check is.
            FAILED => Err(Error::msg(page.text())),
            SKIPPED => skip(page.text()),
            _ => Ok(None),
        }
    }

    /// Ends a child that would run forever. Fails if the child has reported an error.
    pub(crate) fn stop(self) -> Result<()> {
        kill_process(self.pid, Signal::KILL)?;
        self.killed(Duration::from_secs(20))
    }

    /// Waits until the child is killed. Fails if the child has reported before.
    pub(crate) fn killed(mut self, limit: Duration) -> Result<()> {
        let end = self.end(limit)?;
        let said = self.mailbox.page().text();
        ensure!(
            end.terminating_signal() == Some(Signal::KILL.as_raw()),
            "{end:?} {said}"
        );
        Ok(())
    }

    fn end(&mut self, limit: Duration) -> Result<WaitStatus> {
        let end = reap(self.pid, limit)?;
        self.reaped = true;
        Ok(end)
    }
}

/// Waits for the end of a process, which may be another task's child.
pub(crate) fn wait_end(pidfd: &OwnedFd, limit: Duration) -> Result<()> {
    let limit_spec = limit.try_into()?;
    if poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&limit_spec))? == 0 {
        bail!("still running after {} seconds: killed", limit.as_secs());
    }
    Ok(())
}

/// Waits for the end of a child, and reaps it.
pub(crate) fn reap(child: Pid, limit: Duration) -> Result<WaitStatus> {
    wait_end(&pidfd_open(child, PidfdFlags::empty())?, limit)?;
    let end = waitpid(Some(child), WaitOptions::empty())?;
    Ok(end.context("no child")?.1)
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
        if !self.reaped {
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
        }
        // Reaps its orphans, which became children of this process if it is a subreaper.
        while rustix::process::waitpgid(self.pid, WaitOptions::empty()).is_ok() {}
    }
}

/// Runs `work` in a separate child, so that changes to the task end with it.
pub(crate) fn in_child(work: impl FnOnce() -> Result<String>) -> Result<String> {
    // The waiting test has its own time limit.
    Child::spawn(work)?.report(Duration::from_secs(3600))
}

fn run(mailbox: &Mailbox, work: impl FnOnce() -> Result<String>) -> ! {
    let _ = rustix::process::setsid();
    // A killed parent drops nothing, so it would not end this child.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let page: &'static _ = {
        let page: *const _ = mailbox.page();
        // SAFETY: This process ends without unmapping the page.
        unsafe { &*page }
    };
    panic::set_hook(Box::new(|info| page.post(FAILED, &info.to_string())));
    perform(page, work)
}

/// Runs `work`, reports, and ends the process.
pub(crate) fn perform(page: &Page, work: impl FnOnce() -> Result<String>) -> ! {
    let status = match panic::catch_unwind(panic::AssertUnwindSafe(work)) {
        Err(_) => 1,
        Ok(outcome) => {
            match &outcome {
                Ok(text) => page.post(DONE, text),
                Err(error) => page.post(state_of(error), &format!("{error:#}")),
            }
            0
        }
    };
    // SAFETY: Always sound; the destructors of the parent's values must not run twice.
    unsafe { libc::_exit(status) }
}

fn state_of(error: &Error) -> u32 {
    if error.is::<Skip>() { SKIPPED } else { FAILED }
}
