// SPDX-License-Identifier: GPL-2.0-only

//! Runs a command in a container whose mounts and files are copies that are thrown away.

mod mounts;
mod options;
mod overlay;
mod root;

use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::chdir;
use unshare_device::{Contexts, Device, Request};
use unshare_tools::{
    Credentials, Fork, Target, Terminal, close_inherited, command, exec, explain, finish, fork,
    open_device, parse, print_completions, reset_sigchld, seclude,
};

use crate::mounts::Proc;
use crate::options::Options;
use crate::root::Root;

const PROGRAM: &str = "scratch-copy";

fn main() -> ExitCode {
    match parse::<Options>() {
        Ok(options) => finish(PROGRAM, run(&options)),
        Err(status) => status,
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    if let Some(shell) = options.completions {
        return Ok(print_completions::<Options>(PROGRAM, shell));
    }
    reset_sigchld();
    close_inherited();
    seclude(PROGRAM)?;
    let terminal = options
        .pty
        .then(Terminal::new)
        .transpose()
        .context("--pty")?;
    // The container's /proc shows the container's processes, and this may be none of them.
    let proc = Proc::open()?;
    let root = Root::of(options.pid())?;
    let attached = attach(options, &root)?;

    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .context("/: cannot set the propagation")?;
    root.enter()?;
    for directory in options.directories() {
        overlay::cover(&directory, &proc)
            .with_context(|| format!("{}: no scratch copy", directory.display()))?;
    }
    chdir("/")?;
    drop((proc, root));

    if attached.contains(Contexts::PID) || terminal.is_some() {
        // SAFETY: This program starts no threads.
        if let Fork::Parent(child) = unsafe { fork(terminal) }.context("fork")? {
            return Ok(child.wait()?);
        }
    }
    let command = command(&options.command).unwrap_or_else(|| Command::new("/bin/sh"));
    Ok(exec(PROGRAM, command))
}

/// Goes to the container, with a copy of its mounts. Returns what was attached.
fn attach(options: &Options, root: &Root) -> Result<Contexts> {
    let device = open_device()?;
    let target = Target::open(options.pid())?;
    let attached = target.other_namespaces(device.query()?.attachable)?;
    if !attached.contains(Contexts::MOUNT) {
        bail!(
            "process {} has the caller's mounts",
            options.pid().as_raw_nonzero()
        );
    }
    let credentials = attached.contains(Contexts::USER).then(Credentials::root);
    // Neither the device nor the task's descriptor is ever open in the container: they were opened
    // after the descriptor of the root directory.
    let first = u32::try_from(root.as_fd().as_raw_fd() + 1)?;
    let request = Request::new()
        .attach(attached, target.as_fd())
        .unshare(Contexts::MOUNT | Contexts::FILES)
        .close_range(first..=u32::MAX);
    commit(&device, &request)?;
    std::mem::forget((device, target));

    // Before files are made, which have to be somebody's.
    credentials.map_or(Ok(()), Credentials::take)?;
    Ok(attached)
}

fn commit(device: &Device, request: &Request<'_>) -> Result<()> {
    // SAFETY: This program has one thread, and forgets what it owns in the range.
    unsafe { device.commit(request) }.map_err(|error| explain(error, request, device))?;
    Ok(())
}
