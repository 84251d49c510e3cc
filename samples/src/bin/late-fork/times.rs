// SPDX-License-Identifier: GPL-2.0-only

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, WaitOptions, waitpid};

/// Times after the start of a child.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Until its parent continues.
    pub(crate) goes_on: Duration,
    /// Until it has ended.
    pub(crate) gone: Duration,
}

impl Times {
    /// Starts a child `rounds` times, and returns the median of each time.
    pub(crate) fn take(rounds: u32, start: impl Fn() -> io::Result<Pid>) -> Result<Self> {
        let (mut goes_on, mut gone) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let begin = Instant::now();
            let child = start().context("cannot start a child")?;
            goes_on.push(begin.elapsed());
            let ended = waitpid(Some(child), WaitOptions::empty())?;
            gone.push(begin.elapsed());

            let status = ended.context("no child to wait for")?.1;
            ensure!(
                status.exit_status() == Some(0),
                "a child ended with {status:?}"
            );
        }
        Ok(Self {
            goes_on: median(goes_on),
            gone: median(gone),
        })
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
