// SPDX-License-Identifier: GPL-2.0-only

//! What a container's processes can reach through a command that comes to them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use super::container::Container;
use super::setup::{before_exec, drop_capability};
use super::{command, exits, output};
use crate::check::ensure;
use crate::contexts::files::dup_to;
use crate::harness::Suite;

const CAP_SYS_PTRACE: u32 = 19;

pub(crate) fn suite() -> Suite {
    Suite::new("tool_seclusion")
        .test(
            "scratch-copy: the command has no descriptor of the host but 0, 1 and 2",
            no_descriptor,
        )
        .test(
            "unshare-run --attach: a process of the container cannot look into the supervisor",
            || unseen("unshare-run --attach PID --fork --"),
        )
        .test(
            "scratch-copy: a process of the container cannot look into the supervisor",
            || unseen("scratch-copy --pty PID --"),
        )
        .test(
            "a command that is a link to /proc/self/exe is not the program on the host",
            own_program,
        )
}

fn no_descriptor() -> Result<()> {
    dup_to(&File::open("/proc")?, 10)?;
    let container = Container::new("--mount")?;
    let line = format!(
        "scratch-copy {} -- sh -c cd /proc/self/fd && echo *",
        container.pid
    );
    let left = output(&line)?;
    // The shell itself opens the last one, the folder.
    let left: Vec<_> = left.split_whitespace().collect();
    ensure!(
        left.len() <= 4 && left.starts_with(&["0", "1", "2"]),
        "{left:?}"
    );
    ensure!(!left.contains(&"10"), "{left:?}");
    Ok(())
}

/// Kills the supervisor's command when dropped.
struct Supervisor(Child);

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn unseen(line: &str) -> Result<()> {
    // Without a PID namespace, so that the container sees the caller's processes.
    let container = Container::new("--mount")?;
    let line = line.replace("PID", &container.pid.to_string());
    let mut started = command(&format!("{line} sh -c echo ready; exec sleep 1000"));
    let mut supervisor = Supervisor(started.stdout(Stdio::piped()).spawn()?);
    let stdout = supervisor.0.stdout.as_mut().context("no output")?;
    BufReader::with_capacity(1, stdout).read_line(&mut String::new())?;
    let folder = format!("/proc/{}", supervisor.0.id());

    for entry in fs::read_dir(format!("{folder}/fd"))? {
        let leads = fs::read_link(entry?.path())?;
        ensure!(!leads.ends_with("unshare"), "it has the device open");
        ensure!(!leads.starts_with("/proc"), "it has the host's /proc open");
    }
    // Root of the container, as runtimes have it: without CAP_SYS_PTRACE.
    let look = format!("test -r {folder}/exe || readlink {folder}/fd/1 || readlink {folder}/root");
    let mut look = command(&format!("sh -c {look}"));
    before_exec(&mut look, || drop_capability(CAP_SYS_PTRACE));
    let seen = look.output()?;
    ensure!(
        !seen.status.success(),
        "{}",
        String::from_utf8_lossy(&seen.stdout)
    );
    Ok(())
}

fn own_program() -> Result<()> {
    let container = Container::new("--mount")?;
    let pid = container.pid;
    for line in [
        format!("unshare-run --attach {pid} --"),
        format!("scratch-copy {pid} --"),
    ] {
        // The link leads to the program that executes it.
        let mut started = command(&format!("{line} /proc/self/exe --completions bash"));
        let printed = started.output()?;
        ensure!(printed.status.success(), "{printed:?}");
    }
    // The program that a container's process could write to afterwards.
    let line = format!(
        "unshare-run --attach {pid}:uts -- /proc/self/exe --uts --fork -- sh -c readlink /proc/$PPID/exe"
    );
    let its = output(&line)?;
    ensure!(its.starts_with("/memfd:"), "{its}");
    let write = format!(
        "unshare-run --attach {pid}:uts -- /proc/self/exe --uts --fork -- sh -c echo >/proc/$PPID/exe"
    );
    exits(command(&write), 1).map(drop)
}
