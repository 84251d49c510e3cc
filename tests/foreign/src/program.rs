// SPDX-License-Identifier: GPL-2.0-only

//! One run of a program, with a time limit, and an end to all that it leaves running.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, setsid, waitpid};

use crate::outcome::Outcome;
use crate::tally::Tally;

/// How a program is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// As it is.
    Plain,
    /// Under the tracer, which changes nothing.
    Watched,
    /// Under the tracer, which turns its calls into requests.
    Turned,
}

impl How {
    fn mode(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Watched => Some("watch"),
            Self::Turned => Some("turn"),
        }
    }
}

const OUTPUT: &str = "/tmp/foreign.output";
const TALLY: &str = "/tmp/foreign.tally";

/// Runs a program, and says what it said.
pub(crate) fn run(program: &Path, how: How, limit: Duration) -> Result<(Outcome, Tally)> {
    fs::write(TALLY, "")?;
    let output = File::create(OUTPUT)?;
    let mut command = match how.mode() {
        None => Command::new(program),
        Some(mode) => {
            let mut command = Command::new(std::env::current_exe()?);
            command
                .args(["--mode", mode, "--tally", TALLY])
                .arg(program);
            command
        }
    };
    command
        .current_dir(program.parent().context("no folder")?)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    // SAFETY: setsid(2) may be called between fork and exec.
    unsafe { command.pre_exec(|| Ok(setsid().map(drop)?)) };
    let mut child = command
        .spawn()
        .with_context(|| program.display().to_string())?;
    let end = Instant::now() + limit;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if Instant::now() > end => {
                child.kill()?;
                child.wait()?;
                break None;
            }
            None => sleep(Duration::from_millis(10)),
        }
    };
    end_orphans()?;
    let said = String::from_utf8_lossy(&fs::read(OUTPUT)?).into_owned();
    let tally = Tally::read(&fs::read_to_string(TALLY)?)?;
    Ok((Outcome::new(said, &word(status)), tally))
}

/// The tracer says of a program that a signal killed it what a shell would say; here it is said of each in the same way.
fn word(status: Option<ExitStatus>) -> String {
    match status.map(|status| (status.code(), status.signal())) {
        None => "still running at the limit".to_owned(),
        Some((Some(code), _)) => code.to_string(),
        Some((None, signal)) => (128 + signal.unwrap_or_default()).to_string(),
    }
}

/// Ends what came to this process, the subreaper, when its parent ended.
fn end_orphans() -> Result<()> {
    loop {
        let children = fs::read_to_string("/proc/thread-self/children")?;
        let orphans = children.split_whitespace().map(str::parse);
        let orphans = orphans.collect::<Result<Vec<i32>, _>>()?;
        if orphans.is_empty() {
            return Ok(());
        }
        for orphan in orphans.into_iter().filter_map(Pid::from_raw) {
            kill_process(orphan, Signal::KILL)?;
            waitpid(Some(orphan), WaitOptions::empty())?;
        }
    }
}

/// The programs of a folder and those below it, sorted.
pub(crate) fn programs(folder: &Path) -> Result<Vec<PathBuf>> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let about = path.metadata()?;
        if about.is_dir() {
            found.extend(programs(&path)?);
        } else if about.permissions().mode() & 0o111 != 0
            && fs::read(&path)?.starts_with(b"\x7fELF")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
