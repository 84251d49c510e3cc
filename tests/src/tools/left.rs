// SPDX-License-Identifier: GPL-2.0-only

//! What the commands leave behind: no process, no mount, and the terminal as it was.

use std::collections::BTreeSet;
use std::fs;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Termios, tcgetattr};

use super::command;
use super::container::Container;
use super::setup::Pty;
use crate::check::ensure;
use crate::contexts::mount::stage;
use crate::harness::Suite;

pub(crate) fn suite() -> Suite {
    Suite::new("tool_left")
        .slow(
            "a command that has ended leaves no process, no mount and no setting of the terminal",
            Duration::from_secs(120),
            || each("exit 42", |_| Ok(()), 42),
        )
        .slow(
            "a command that a signal to its supervisor ends leaves none of these either",
            Duration::from_secs(120),
            || each("exec sleep 1000", terminate, 128 + libc::SIGTERM),
        )
}

/// Lines that make all kinds of helpers.
fn lines(pid: i32) -> [String; 7] {
    [
        "unshare-run --uts --fork".to_owned(),
        "unshare-run --map-users=0:0:1 --map-groups=0:0:1 --mount-proc --pid --fork --monotonic 5"
            .to_owned(),
        "unshare-run --mount --net --kill-child --pty".to_owned(),
        format!("unshare-run --attach {pid} --pty"),
        format!("scratch-copy {pid}"),
        format!("scratch-copy --pty {pid}"),
        "private-tmp --user alice --pty".to_owned(),
    ]
}

/// Tries each line on a terminal. `end` is done when the command has begun.
fn each(script: &str, end: impl Fn(&Child) -> Result<()>, status: i32) -> Result<()> {
    stage()?;
    let container = Container::new("--mount --pid --fork")?;
    for line in lines(container.pid) {
        let terminal = Pty::new()?;
        let before = State::now(&terminal)?;
        // The first process of a PID namespace ends by the signals that it handles alone.
        let script = format!("trap 'exit {status}' TERM; echo begun; {script}");
        let script = script.replace("exec sleep 1000", "while :; do sleep 0.1; done");
        let mut started = command(&format!("{line} -- sh -c {script}"));
        terminal.give(&mut started)?;
        let mut started = started.spawn()?;
        terminal.read_until("begun")?;
        end(&started)?;
        let found = started.wait()?;
        ensure!(found.code() == Some(status), "{line}: {found}");
        before.is_again(&terminal).with_context(|| line)?;
    }
    Ok(())
}

fn terminate(supervisor: &Child) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(supervisor.id())?).context("no process")?;
    Ok(kill_process(pid, Signal::TERM)?)
}

/// What other programs would find.
struct State {
    processes: BTreeSet<String>,
    mounts: String,
    settings: Termios,
}

impl State {
    fn now(terminal: &Pty) -> Result<Self> {
        let mut processes = BTreeSet::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // A thread of the kernel has no program.
            if fs::read_link(format!("/proc/{name}/exe")).is_ok() && name != "self" {
                processes.insert(name);
            }
        }
        Ok(Self {
            processes,
            mounts: fs::read_to_string("/proc/self/mountinfo")?,
            settings: tcgetattr(&terminal.slave)?,
        })
    }

    /// Killed children of a command may take a moment to end.
    fn is_again(&self, terminal: &Pty) -> Result<()> {
        let begun = Instant::now();
        loop {
            let now = Self::now(terminal)?;
            let left: Vec<_> = now.processes.difference(&self.processes).collect();
            if left.is_empty() {
                ensure!(now.mounts == self.mounts, "a mount is left: {}", now.mounts);
                let (before, after) = (
                    format!("{:?}", self.settings),
                    format!("{:?}", now.settings),
                );
                ensure!(before == after, "{after}, and before: {before}");
                return Ok(());
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(5),
                "processes: {left:?}"
            );
            sleep(Duration::from_millis(20));
        }
    }
}
