// SPDX-License-Identifier: GPL-2.0-only

//! A process with its own namespaces, to attach to.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::command;
use crate::check::ensure;

/// Everything that it can have of its own.
pub(crate) const ALL: &str =
    "--mount --uts --ipc --net --cgroup --time --map-root-user --pid --fork";

/// A container, which is killed when dropped.
pub(crate) struct Container {
    pub(crate) pid: i32,
    /// Its first process, or the process that waits for it.
    child: Child,
}

impl Container {
    /// Starts one with the namespaces that `options` of unshare-run name.
    pub(crate) fn new(options: &str) -> Result<Self> {
        Self::start(shell(options, "exec sleep 1000"))
    }

    /// The same, by a user without privilege.
    pub(crate) fn of_user(id: u32, options: &str) -> Result<Self> {
        let mut command = shell(options, "exec sleep 1000");
        command.uid(id).gid(id);
        Self::start(command)
    }

    /// Starts one whose root directory is `root`, and its working directory `wd` in there.
    pub(crate) fn chrooted(options: &str, root: &str, wd: &str) -> Result<Self> {
        let inner = format!("cd {wd}; echo; exec /busybox sleep 1000");
        let mut container = Self::start(shell(
            options,
            &format!("exec chroot {root} /busybox sh -c '{inner}'"),
        ))?;
        // It is there when it has said another line.
        let stdout = container.child.stdout.as_mut().context("no output")?;
        BufReader::new(stdout).read_line(&mut String::new())?;
        Ok(container)
    }

    /// Starts one by this line, which prints its number first.
    pub(crate) fn of_line(line: &str) -> Result<Self> {
        Self::start(command(line))
    }

    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.as_mut().context("no output")?;
        // Nothing but the line, if more is to come.
        BufReader::with_capacity(1, stdout).read_line(&mut line)?;
        let pid = line.trim().parse().context("no container")?;
        Ok(Self { pid, child })
    }

    /// Starts one whose shell carries out a script for each line that [`ask`](Self::ask) writes.
    pub(crate) fn asked(options: &str, script: &str) -> Result<Self> {
        let then = format!("while read word; do {script}; echo end; done");
        let mut command = shell(options, &then);
        command.stdin(Stdio::piped());
        Self::start(command)
    }

    /// Returns what the script prints for this word.
    pub(crate) fn ask(&mut self, word: &str) -> Result<String> {
        let stdin = self.child.stdin.as_mut().context("no input")?;
        writeln!(stdin, "{word}")?;
        let stdout = self.child.stdout.as_mut().context("no output")?;
        let mut stdout = BufReader::with_capacity(1, stdout);
        let mut printed = String::new();
        while !printed.ends_with("end\n") {
            ensure!(stdout.read_line(&mut printed)? > 0, "the shell has ended");
        }
        Ok(printed.trim_end_matches("end\n").to_owned())
    }

    /// What a link under /proc/PID leads to.
    pub(crate) fn link(&self, name: &str) -> Result<String> {
        let link = std::fs::read_link(format!("/proc/{}/{name}", self.pid))?;
        Ok(link.display().to_string())
    }
}

/// Says its number, as /proc has it, which need not be the shell's own idea of it.
fn shell(options: &str, then: &str) -> Command {
    command(&format!(
        "unshare-run {options} -- sh -c read pid rest </proc/self/stat; echo $pid; {then}"
    ))
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
