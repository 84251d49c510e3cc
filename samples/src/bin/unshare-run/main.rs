// SPDX-License-Identifier: GPL-2.0-only

//! Runs a command with its own copy of parts of its execution context.

mod idmap;
mod mounts;
mod options;
mod program;
mod report;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Parser;
use rustix::process::{getegid, geteuid};
use unshare_device::{Contexts, Device, Request};
use unshare_samples::{Fork, exec, explain, finish, fork, open_device};

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

    let command = unshare_samples::command(&options.command).unwrap_or_else(shell);
    let program = match options.empty_mount {
        true => Some(Program::open(&command)?),
        false => None,
    };
    let (uid, gid) = (geteuid(), getegid());
    let replaced = commit(&device, options)?;
    if options.dry_run {
        println!("would replace {replaced}");
        return Ok(ExitCode::SUCCESS);
    }
    // The close range may have closed it already.
    std::mem::forget(device);

    if options.map_root_user {
        idmap::become_root(uid, gid)?;
    }
    if options.fork {
        // SAFETY: This program starts no threads.
        if let Fork::Parent(child) = unsafe { fork() }.context("fork")? {
            return Ok(child.wait()?);
        }
    }
    if options.contexts().contains(Contexts::MOUNT) {
        mounts::propagate(options.propagation)?;
    }
    if let Some(directory) = &options.mount_proc {
        mounts::mount_proc(directory)?;
    }

    Ok(match program {
        Some(program) => program.exec(PROGRAM),
        None => exec(PROGRAM, command),
    })
}

fn commit(device: &Device, options: &Options) -> Result<Contexts> {
    let mut request = Request::new()
        .unshare(options.contexts())
        .dry_run(options.dry_run);
    if let Some(first) = options.close_from {
        request = request.close_range(first..=u32::MAX);
    }
    // SAFETY: This program has one thread. Above stderr it owns the device, which it forgets, and
    // the program of an empty mount namespace, which does not go with a close range.
    unsafe { device.commit(&request) }.map_err(|error| explain(error, &request, device))
}

fn shell() -> Command {
    Command::new(std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into()))
}
