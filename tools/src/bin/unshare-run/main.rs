// SPDX-License-Identifier: GPL-2.0-only

//! Runs a command with its own copy of parts of its execution context, or with another task's.

mod attach;
mod idmap;
mod mounts;
mod names;
mod options;
mod program;
mod report;

use std::os::fd::AsFd;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Parser;
use unshare_device::{Contexts, Device, Request};
use unshare_tools::{Fork, RootOfNamespace, Target, exec, explain, finish, fork, open_device};

use crate::idmap::Ids;
use crate::options::Options;
use crate::program::Program;

const PROGRAM: &str = "unshare-run";

fn main() -> ExitCode {
    finish(PROGRAM, run(&Options::parse()))
}

fn run(options: &Options) -> Result<ExitCode> {
    let device = open_device()?;
    if options.query {
        report::table(&device.query()?)?;
        return Ok(ExitCode::SUCCESS);
    }

    let command = unshare_tools::command(&options.command).unwrap_or_else(shell);
    let program = match options.empty_mount {
        true => Some(Program::open(&command)?),
        false => None,
    };
    let attach = options.attach();
    let target = attach.map(|attach| Target::open(attach.pid)).transpose()?;
    let mut request = Request::new()
        .unshare(options.contexts())
        .dry_run(options.dry_run);
    if let (Some(attach), Some(target)) = (&attach, &target) {
        let contexts = attach.contexts(target, &device.query()?)?;
        request = request.attach(contexts, target.as_fd());
    }
    if let Some(first) = options.close_from {
        request = request.close_range(first..=u32::MAX);
    }
    let (unshared, attached) = (request.unshared(), request.attached());
    let enters_user = attached.contains(Contexts::USER);
    let ids = options
        .map_root_user
        .then(|| Ids::outside(target.as_ref().filter(|_| enters_user)))
        .transpose()?;

    if options.dry_run {
        println!("would replace {}", commit(&device, &request)?);
        return Ok(ExitCode::SUCCESS);
    }
    // Of a user namespace of one's own it is for --map-root-user to say who is who.
    let stays_in_user = enters_user && !unshared.contains(Contexts::USER);
    let root = (stays_in_user && !options.preserve_credentials).then(RootOfNamespace::prepare);
    commit(&device, &request)?;
    // The close range may have closed them already.
    std::mem::forget((device, target));

    if let Some(ids) = ids {
        ids.become_root()?;
    }
    if options.fork || attached.contains(Contexts::PID) && !options.no_fork {
        // SAFETY: This program starts no threads.
        if let Fork::Parent(child) = unsafe { fork() }.context("fork")? {
            return Ok(child.wait()?);
        }
    }
    if unshared.contains(Contexts::MOUNT) {
        mounts::propagate(options.propagation)?;
    }
    if let Some(directory) = &options.mount_proc {
        mounts::mount_proc(directory)?;
    }
    if let Some(root) = root {
        root.become_root()?;
    }

    Ok(match program {
        Some(program) => program.exec(PROGRAM),
        None => exec(PROGRAM, command),
    })
}

fn commit(device: &Device, request: &Request<'_>) -> Result<Contexts> {
    // SAFETY: This program has one thread. Above stderr it owns the device and the pidfd, which it
    // forgets, and the program of an empty mount namespace, which does not go with a close range.
    unsafe { device.commit(request) }.map_err(|error| explain(error, request, device))
}

fn shell() -> Command {
    Command::new(std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into()))
}
