// SPDX-License-Identifier: GPL-2.0-only

//! `unshare-run --fork`: what a supervisor does when its child or its caller does something else.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::container::Container;
use super::setup::{before_exec, drop_capability, ignore};
use super::{command, exits};
use crate::check::ensure;
use crate::harness::Suite;

const CAP_KILL: u32 = 5;

pub(crate) fn suite() -> Suite {
    Suite::new("tool_jobs")
        .test(
            "the commands return the status to a caller that ignores SIGCHLD",
            ignored_sigchld,
        )
        .test(
            "unshare-run --fork goes on waiting for a command that it may not signal",
            unsignalled,
        )
        .test(
            "unshare-run --fork stops when the command stops, and goes on with it",
            stopped,
        )
        .test("unshare-run --fork passes a signal on", || {
            passed_on("--fork")
        })
        .test("unshare-run --forward-signals passes a signal on", || {
            passed_on("--forward-signals")
        })
        .test(
            "unshare-run --kill-child: the command ends with unshare-run",
            killed,
        )
        .test(
            "unshare-run --kill-child after a change of user",
            killed_after_change,
        )
}

fn ignored_sigchld() -> Result<()> {
    let container = Container::new("--mount --pid --fork")?;
    let pid = container.pid;
    for line in [
        "unshare-run --uts --fork --".to_owned(),
        "unshare-run --uts --pty --".to_owned(),
        "unshare-run --pid --fork --".to_owned(),
        // A child writes the maps.
        "unshare-run --map-users=0:0:1 --map-groups=0:0:1 --".to_owned(),
        format!("unshare-run --attach {pid} --"),
        format!("scratch-copy {pid}"),
        "private-tmp --user alice --pty --".to_owned(),
    ] {
        let mut started = command(&format!("{line} sh -c exit 42"));
        before_exec(&mut started, || ignore(libc::SIGCHLD));
        exits(started, 42).with_context(|| line)?;
    }
    Ok(())
}

/// A supervisor whose command has begun.
struct Job {
    supervisor: Child,
}

impl Job {
    fn new(mut command: Command) -> Result<Self> {
        let mut supervisor = command.stdout(Stdio::piped()).spawn()?;
        let stdout = supervisor.stdout.as_mut().context("no output")?;
        let mut line = String::new();
        BufReader::with_capacity(1, stdout).read_line(&mut line)?;
        ensure!(line == "ready\n", "{line:?}");
        Ok(Self { supervisor })
    }

    fn pid(&self) -> Result<Pid> {
        Pid::from_raw(i32::try_from(self.supervisor.id())?).context("no process")
    }

    fn child(&self) -> Result<Pid> {
        let id = self.supervisor.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        Pid::from_raw(children.trim().parse()?).context("no child")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid()?, signal)?)
    }

    fn exits(mut self, status: i32) -> Result<()> {
        let found = self.supervisor.wait()?;
        ensure!(found.code() == Some(status), "{found}");
        Ok(())
    }
}

/// Waits until a process is in a state, as /proc/PID/stat has it; `None` when it has ended.
fn wait_for(pid: Pid, state: Option<char>) -> Result<()> {
    let begun = Instant::now();
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    loop {
        let stat = fs::read_to_string(&path).unwrap_or_default();
        let found = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next());
        if found == state || state.is_none() && found == Some('Z') {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(10),
            "{path}: {found:?}, not {state:?}"
        );
        sleep(Duration::from_millis(20));
    }
}

fn unsignalled() -> Result<()> {
    let mut line =
        command("unshare-run --uts --fork --setuid 1000 -- sh -c echo ready; exec sleep 1000");
    before_exec(&mut line, || drop_capability(CAP_KILL));
    let mut job = Job::new(line)?;
    job.signal(Signal::TERM)?;
    sleep(Duration::from_millis(300));
    ensure!(
        job.supervisor.try_wait()?.is_none(),
        "it left its child alone"
    );
    kill_process(job.child()?, Signal::KILL)?;
    job.exits(128 + libc::SIGKILL)
}

fn stopped() -> Result<()> {
    let job = Job::new(command(
        "unshare-run --uts --fork -- sh -c echo ready; kill -STOP $$; exit 42",
    ))?;
    wait_for(job.pid()?, Some('T'))?;
    ensure!(
        fs::read_to_string(format!("/proc/{}/stat", job.child()?.as_raw_nonzero()))?
            .contains(") T ")
    );
    job.signal(Signal::CONT)?;
    job.exits(42)
}

fn passed_on(option: &str) -> Result<()> {
    let script = "trap 'exit 42' TERM; echo ready; while :; do sleep 0.1; done";
    let job = Job::new(command(&format!(
        "unshare-run --uts {option} -- sh -c {script}"
    )))?;
    job.signal(Signal::TERM)?;
    job.exits(42)
}

fn ends_with_supervisor(line: &str) -> Result<()> {
    let job = Job::new(command(line))?;
    let child = job.child()?;
    job.signal(Signal::KILL)?;
    wait_for(child, None)
}

fn killed() -> Result<()> {
    ends_with_supervisor("unshare-run --uts --kill-child -- sh -c echo ready; exec sleep 1000")?;
    // A signal that the command survives.
    let line = "unshare-run --uts --kill-child=USR1 -- sh -c trap 'exit 1' USR1; echo ready; while :; do sleep 0.1; done";
    ends_with_supervisor(line)
}

fn killed_after_change() -> Result<()> {
    ends_with_supervisor(
        "unshare-run --uts --kill-child -S 1000 -G 1000 -- sh -c echo ready; exec sleep 1000",
    )
}
