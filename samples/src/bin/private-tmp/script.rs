// SPDX-License-Identifier: GPL-2.0-only

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::config::Script;

const DEFAULT: &str = "/etc/security/namespace.init";
const DIRECTORY: &str = "/etc/security/namespace.d";

/// What pam_namespace tells its scripts.
#[derive(Debug)]
pub(crate) struct Arguments<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) instance: &'a Path,
    pub(crate) is_new: bool,
    pub(crate) user: &'a str,
}

/// Runs the script for a directory that was just covered, as root. The default one may be missing.
pub(crate) fn run(script: &Script, arguments: &Arguments<'_>) -> Result<()> {
    let path = match script {
        Script::None => return Ok(()),
        Script::Default if !Path::new(DEFAULT).exists() => return Ok(()),
        Script::Default => DEFAULT.into(),
        Script::Named(name) => Path::new(DIRECTORY).join(name),
    };
    let status = Command::new(&path)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .arg(arguments.directory)
        .arg(arguments.instance)
        .arg(if arguments.is_new { "1" } else { "0" })
        .arg(arguments.user)
        .status()
        .with_context(|| path.display().to_string())?;
    ensure!(status.success(), "{}: {status}", path.display());
    Ok(())
}
