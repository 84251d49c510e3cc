// SPDX-License-Identifier: GPL-2.0-only

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// The exit status of a program that could not do what it was asked for.
pub const EXIT_FAILURE: u8 = 1;

/// Becomes `command`, or says why not and gives the exit status that shells give then: 127 for a
/// command that is not there, 126 for one that cannot run.
pub fn exec(program: &str, mut command: Command) -> ExitCode {
    let error = command.exec();
    let name = command.get_program().to_string_lossy();
    eprintln!("{program}: {name}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound => ExitCode::from(127),
        _ => ExitCode::from(126),
    }
}
