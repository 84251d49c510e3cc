// SPDX-License-Identifier: GPL-2.0-only

//! What is read of the task to attach to, beside its contexts.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use anyhow::{Context, Result};
use unshare_tools::Target;

/// Gives the command the environment of the task.
pub(crate) fn copy_environment(target: &Target, command: &mut Command) -> Result<()> {
    let path = target.proc("environ");
    let text = fs::read(&path).context(path)?;
    let variables = text.split(|byte| *byte == 0).filter_map(|variable| {
        let end = variable.iter().position(|byte| *byte == b'=')?;
        let (name, value) = variable.split_at(end);
        Some((OsStr::from_bytes(name), OsStr::from_bytes(&value[1..])))
    });
    command.env_clear().envs(variables);
    Ok(())
}

/// Moves this process to the cgroup of the task.
pub(crate) fn join_cgroup(target: &Target) -> Result<()> {
    let text = target.read("cgroup")?;
    let group = text.lines().find_map(|line| line.strip_prefix("0::"));
    let group = group.context("the task is in no cgroup of version 2")?;
    let path = format!("/sys/fs/cgroup{}/cgroup.procs", group.trim_end_matches('/'));
    fs::write(&path, "0").with_context(|| format!("{path}: cannot join"))
}

/// The number of the task's user ("Uid") or group ("Gid").
pub(crate) fn id_of(target: &Target, name: &str) -> Result<u32> {
    let text = target.read("status")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("{}: no {name}", target.proc("status")))
}
