// SPDX-License-Identifier: GPL-2.0-only

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// The exit status of a program that could not do what it was asked for.
pub const EXIT_FAILURE: u8 = 1;

/// Becomes `command`; returns only when that fails, as [`exec_failed`] does.
pub fn exec(program: &str, mut command: Command) -> ExitCode {
    let error = command.exec();
    exec_failed(program, &command.get_program().to_string_lossy(), &error)
}

/// Says why the command did not run, and gives the exit status that shells give then: 127 for a
/// command that is not there, 126 for one that cannot run.
pub fn exec_failed(program: &str, command: &str, error: &io::Error) -> ExitCode {
    eprintln!("{program}: {command}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound => ExitCode::from(127),
        _ => ExitCode::from(126),
    }
}
