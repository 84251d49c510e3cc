// SPDX-License-Identifier: GPL-2.0-only

//! What a container's processes can reach through a command that comes to them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use super::container::Container;
use super::traced::{Stop, Traced};
use super::{command, exits, output};
use crate::check::ensure;
use crate::contexts::files::dup_to;
use crate::harness::Suite;

pub(crate) fn suite() -> Suite {
    Suite::new("tool_seclusion")
        .test(
            "scratch-copy: the command has no descriptor of the host but 0, 1 and 2",
            no_descriptor,
        )
        .test(
            "unshare-run --attach: a process of the container cannot look into the supervisor",
            || unseen("unshare-run --attach PID --fork --monotonic 5 -r --"),
        )
        .test(
            "scratch-copy: a process of the container cannot look into the supervisor",
            || unseen("scratch-copy --scratch /etc --pty PID --"),
        )
        .test(
            "unshare-run --attach: from the request to the exec, a process of the container cannot look into it",
            || unseen_on_the_way("unshare-run --attach PID --"),
        )
        .test(
            "unshare-run --attach, with maps and clocks: from the request to the exec, a process of the container cannot look into it",
            || unseen_on_the_way("unshare-run --attach PID --map-root-user --monotonic 5 --"),
        )
        .test(
            "scratch-copy: from the request to the exec, a process of the container cannot look into it",
            || unseen_on_the_way("scratch-copy --scratch /etc PID --"),
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

/// What a process may not see of another one.
const SECRETS: &str = "for file in exe root cwd fd/1; do readlink /proc/$word/$file; done";

/// A container that sees the caller's processes. Its root has all capabilities in its user namespace,
/// and would have them over the command, which enters that.
fn watchful() -> Result<Container> {
    Container::asked("--mount --map-root-user", SECRETS)
}

fn unseen_on_the_way(line: &str) -> Result<()> {
    let mut container = watchful()?;
    let line = line.replace("PID", &container.pid.to_string());
    let mut started = command(&format!("{line} sleep 1000"));
    started.stdout(Stdio::null());
    let traced = Traced::start(started)?;
    let pid = traced.pid().to_string();
    let mounts = format!("/proc/{pid}/ns/mnt");
    let outside = fs::read_link(&mounts)?;
    let mut stops = 0;
    while traced.step()? == Stop::Call || stops == 0 {
        if fs::read_link(&mounts)? != outside {
            stops += 1;
            let seen = container.ask(&pid)?;
            ensure!(seen.is_empty(), "at stop {stops}: {seen}");
        }
    }
    // The container may see the command itself, whose only descriptors are those.
    let seen = container.ask(&pid)?;
    ensure!(seen.starts_with("/bin/"), "{seen}");
    ensure!(seen.ends_with("/dev/null\n"), "{seen}");
    ensure!(stops >= 6, "{stops} stops");
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
    let mut container = watchful()?;
    let line = line.replace("PID", &container.pid.to_string());
    let mut started = command(&format!("{line} sh -c echo ready; exec sleep 1000"));
    let mut supervisor = Supervisor(started.stdout(Stdio::piped()).spawn()?);
    let stdout = supervisor.0.stdout.as_mut().context("no output")?;
    BufReader::with_capacity(1, stdout).read_line(&mut String::new())?;
    let pid = supervisor.0.id().to_string();

    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let leads = fs::read_link(entry?.path())?;
        ensure!(!leads.ends_with("unshare"), "it has the device open");
        ensure!(!leads.starts_with("/proc"), "it has the host's /proc open");
    }
    let seen = container.ask(&pid)?;
    ensure!(seen.is_empty(), "{seen}");
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let command = container.ask(children.trim())?;
    ensure!(
        command.starts_with("/bin/"),
        "the container does not look: {command}"
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
