// SPDX-License-Identifier: GPL-2.0-only

//! Runs a command in a container whose mounts and files are copies that are thrown away.

mod mounts;
mod options;
mod overlay;

use std::os::fd::AsFd;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::chdir;
use unshare_device::{Contexts, Request};
use unshare_tools::{
    Fork, RootOfNamespace, Target, command, exec, explain, finish, fork, open_device,
};

use crate::mounts::Proc;
use crate::options::Options;

const PROGRAM: &str = "scratch-copy";

fn main() -> ExitCode {
    finish(PROGRAM, run(&Options::parse()))
}

fn run(options: &Options) -> Result<ExitCode> {
    let device = open_device()?;
    // The container's shows its own processes, which this one may be none of.
    let proc = Proc::open()?;
    let target = Target::open(options.pid)?;
    let attached = target.other_namespaces(device.query()?.attachable)?;
    if !attached.contains(Contexts::MOUNT) {
        bail!(
            "process {} has the caller's mounts",
            options.pid.as_raw_nonzero()
        );
    }
    let request = Request::new()
        .attach(attached, target.as_fd())
        .unshare(Contexts::MOUNT);
    let enters_user = attached.contains(Contexts::USER);
    let root = enters_user.then(RootOfNamespace::prepare);
    // SAFETY: The descriptor table stays.
    unsafe { device.commit(&request) }.map_err(|error| explain(error, &request, &device))?;

    // Before files are made, which have to be somebody's.
    if let Some(root) = root {
        root.become_root()?;
    }
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .context("/: cannot set the propagation")?;
    for directory in options.directories() {
        overlay::cover(&directory, &proc)
            .with_context(|| format!("{}: no scratch copy", directory.display()))?;
    }
    chdir("/")?;

    if attached.contains(Contexts::PID) {
        // SAFETY: This program starts no threads.
        if let Fork::Parent(child) = unsafe { fork() }.context("fork")? {
            return Ok(child.wait()?);
        }
    }
    let command = command(&options.command).unwrap_or_else(|| Command::new("/bin/sh"));
    Ok(exec(PROGRAM, command))
}
