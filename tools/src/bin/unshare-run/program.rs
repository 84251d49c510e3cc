// SPDX-License-Identifier: GPL-2.0-only

use std::env;
use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use nix::fcntl::AtFlags;
use nix::unistd::execveat;
use rustix::fs::{Access, CWD, Mode, OFlags, access, openat};
use unshare_tools::{exec_failed, restore_sigpipe};

/// A program that was opened before the request, for a mount namespace where no path leads to it.
#[derive(Debug)]
pub(crate) struct Program {
    file: OwnedFd,
    arguments: Vec<CString>,
}

impl Program {
    /// Opens the program of `command`, searching PATH as a shell does.
    pub(crate) fn open(command: &Command) -> Result<Self> {
        let name = command.get_program();
        let path = find(name).with_context(|| format!("{}: not found", name.to_string_lossy()))?;
        let file = openat(CWD, &path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| path.display().to_string())?;
        let words = [name].into_iter().chain(command.get_args());
        let arguments = words
            .map(|word| CString::new(word.as_bytes()))
            .collect::<Result<_, _>>()?;
        Ok(Self { file, arguments })
    }

    /// Becomes the program. One that needs an interpreter, or libraries, does not find them.
    pub(crate) fn exec(&self, program: &str) -> ExitCode {
        let environment: Vec<_> = env::vars_os()
            .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
            .filter_map(|variable| CString::new(variable).ok())
            .collect();
        restore_sigpipe();
        let Err(errno) = execveat(
            &self.file,
            c"",
            &self.arguments,
            &environment,
            AtFlags::AT_EMPTY_PATH,
        );
        let name = self.arguments.first().map(|name| name.to_string_lossy());
        exec_failed(program, &name.unwrap_or_default(), &errno.into())
    }
}

fn find(name: &OsStr) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(name.into());
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}
