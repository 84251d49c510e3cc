// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Termination};

use anyhow::{Error, Result};
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use rustix::io::Errno;

use crate::inherited::keep_sigpipe;

/// The exit status of env(1), chroot(1) and timeout(1) when they fail themselves.
pub const FAILED: u8 = 125;

/// Parses the command line.
///
/// # Errors
///
/// The exit status after `--help`, `--version` or a wrong option.
pub fn parse<O: Parser>() -> Result<O, ExitCode> {
    O::try_parse().map_err(|error| {
        // Help and version go to standard output, mistakes to standard error.
        let _ = error.print();
        match error.use_stderr() {
            true => ExitCode::from(FAILED),
            false => ExitCode::SUCCESS,
        }
    })
}

/// Prints the completions of the program for a shell.
pub fn print_completions<O: CommandFactory>(program: &str, shell: Shell) -> ExitCode {
    clap_complete::generate(shell, &mut O::command(), program, &mut io::stdout());
    ExitCode::SUCCESS
}

/// How `main` ends: says what went wrong, if anything did, and gives the exit status.
pub fn finish<T: Termination>(program: &str, result: Result<T>) -> ExitCode {
    match result {
        Ok(status) => status.report(),
        Err(error) => {
            eprintln!("{program}: {error:#}");
            if is_about_descriptors(&error) {
                eprintln!("the limit of open descriptors is too low (ulimit -n)");
            }
            ExitCode::from(FAILED)
        }
    }
}

fn is_about_descriptors(error: &Error) -> bool {
    let full = Some(Errno::MFILE);
    error.chain().any(|cause| {
        let from_io = cause.downcast_ref().and_then(Errno::from_io_error);
        from_io == full || cause.downcast_ref().copied() == full
    })
}

/// The command that `words` are; `None` without a word.
pub fn command(words: &[OsString]) -> Option<Command> {
    let (program, arguments) = words.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments);
    Some(command)
}

/// Becomes `command`; returns only when that fails, as [`exec_failed`] does.
pub fn exec(program: &str, mut command: Command) -> ExitCode {
    keep_sigpipe(&mut command);
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
