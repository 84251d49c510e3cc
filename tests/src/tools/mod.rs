// SPDX-License-Identifier: GPL-2.0-only

//! The installed commands, as a user sees them: exit status, output, and what they say when refused.

pub(crate) mod attach;
pub(crate) mod conditions;
pub(crate) mod container;
pub(crate) mod conventions;
pub(crate) mod ids;
pub(crate) mod inherited;
pub(crate) mod jobs;
pub(crate) mod left;
pub(crate) mod options;
pub(crate) mod probe;
pub(crate) mod scratch_copy;
pub(crate) mod seclusion;
mod setup;
pub(crate) mod terminal;
mod traced;
pub(crate) mod unshare_run;
pub(crate) mod util_linux;

use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};

use crate::check::ensure;

/// The exit status of a command that fails itself.
pub(crate) const FAILED: i32 = 125;

/// Runs a program with arguments, of which a blank ends each, but for the last if it follows `-c`.
pub(crate) fn command(line: &str) -> Command {
    let (line, script) = match line.split_once(" -c ") {
        Some((line, script)) => (format!("{line} -c"), Some(script)),
        None => (line.to_owned(), None),
    };
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).args(script).stdin(Stdio::null());
    command
}

pub(crate) fn run(line: &str) -> Result<Output> {
    command(line).output().with_context(|| line.to_owned())
}

/// The program succeeds. Returns what it prints.
pub(crate) fn output(line: &str) -> Result<String> {
    let output = run(line)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {}: {said}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

pub(crate) fn prints(line: &str, expected: &str) -> Result<()> {
    let printed = output(line)?;
    ensure!(printed == expected, "{line} printed {printed:?}");
    Ok(())
}

/// The program exits with `status`. Returns what it says on standard error.
pub(crate) fn exits(mut command: Command, status: i32) -> Result<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(status),
        "{command:?}: {}: {said}",
        output.status
    );
    Ok(said)
}
