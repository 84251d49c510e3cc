// SPDX-License-Identifier: GPL-2.0-only

//! Runs a command with its own copy of parts of its execution context, or with another task's.

mod accounts;
mod attach;
mod helper;
mod maps;
mod mounts;
mod names;
mod options;
mod own;
mod places;
mod prepared;
mod program;
mod report;
mod request;
mod signals;
mod task;

use std::env;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use rustix::pipe::{PipeFlags, pipe_with};
use unshare_device::{Contexts, Device};
use unshare_tools::{
    FAILED, Fork, Parent, Target, exec, finish, fork, open_device, parse, print_completions,
    reset_sigchld, seclude,
};

use crate::options::Options;
use crate::prepared::Prepared;
use crate::program::Program;

const PROGRAM: &str = "unshare-run";

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
    check(options)?;
    reset_sigchld();
    let attach = options.attach.attach();
    let asks = options.dry_run || options.query;
    if attach.is_some() && !asks {
        seclude(PROGRAM)?;
    }
    let device = open_device()?;
    if options.query {
        report::query(&device.query()?, options.json)?;
        return Ok(ExitCode::SUCCESS);
    }

    let target = attach.map(|attach| Target::open(attach.pid)).transpose()?;
    let attached = match (&attach, &target) {
        (Some(attach), Some(target)) => attach.contexts(target, &device.query()?)?,
        _ => Contexts::empty(),
    };
    match options.dry_run {
        true => request::dry_run(options, &device, attached, target.as_ref()),
        false => run_command(options, device, attached, target),
    }
}

/// What the parser cannot say.
fn check(options: &Options) -> Result<()> {
    if let Some(option) = options.attach.lacks_task() {
        bail!("{option}: whose? (--attach=PID, or {option}=DIR)");
    }
    if options.json && !options.dry_run && !options.query {
        bail!("--json is for --query and --dry-run");
    }
    Ok(())
}

/// Makes the request, and runs the command in what it gave.
fn run_command(
    options: &Options,
    device: Device,
    attached: Contexts,
    target: Option<Target>,
) -> Result<ExitCode> {
    let mut command = unshare_tools::command(&options.command).unwrap_or_else(shell);
    let program = match options.contexts.empty_mount {
        true => Some(Program::open(&command)?),
        false => None,
    };
    if let Some(target) = &target {
        follow(options, target, &mut command)?;
    }
    let mut prepared = Prepared::new(options, target.as_ref(), attached)?;
    if let Some(owner) = options.ids.owner {
        prepared::become_owner(owner)?;
    }
    request::replace(options, device, attached, target, &prepared)?;
    prepared.fill_namespaces()?;

    let parent = match options.forks(attached) {
        true => match fork_and_keep(&mut prepared)? {
            Side::Child(parent) => Some(parent),
            Side::Parent(status) => return Ok(status),
        },
        false => {
            prepared.keep()?;
            None
        }
    };
    arrange(options, prepared, parent)?;
    Ok(match program {
        Some(program) => program.exec(PROGRAM),
        None => exec(PROGRAM, command),
    })
}

/// Takes what is not a context from the task to attach to.
fn follow(options: &Options, target: &Target, command: &mut Command) -> Result<()> {
    if options.attach.env {
        task::copy_environment(target, command)?;
    }
    if options.attach.join_cgroup {
        task::join_cgroup(target)?;
    }
    Ok(())
}

/// Where [`fork_and_keep`] returned.
enum Side {
    Child(Parent),
    /// In the parent, after the child's end.
    Parent(ExitCode),
}

/// Forks, and has files keep the namespaces before the child goes on: a PID namespace can be kept
/// when it has a process.
fn fork_and_keep(prepared: &mut Prepared) -> Result<Side> {
    let (wait, go) = pipe_with(PipeFlags::CLOEXEC).context("pipe")?;
    // SAFETY: This program starts no threads.
    match unsafe { fork(prepared.terminal.take()) }.context("fork")? {
        Fork::Parent(child) => {
            drop(wait);
            prepared.keep()?;
            File::from(go).write_all(&[1]).context("pipe")?;
            Ok(Side::Parent(child.wait()?))
        }
        Fork::Child(parent) => {
            drop(go);
            // Without a byte, the parent has said why it ended.
            match File::from(wait).read_exact(&mut [0]) {
                Ok(()) => Ok(Side::Child(parent)),
                Err(_) => Ok(Side::Parent(ExitCode::from(FAILED))),
            }
        }
    }
}

/// Makes mounts, goes to the directories and becomes the user that the options name.
fn arrange(options: &Options, prepared: Prepared, parent: Option<Parent>) -> Result<()> {
    let how = &options.how;
    if options.unshared().contains(Contexts::MOUNT) {
        mounts::propagate(how.propagation)?;
    }
    if let Some(directory) = how.binfmt() {
        mounts::mount_binfmt(&directory)?;
        if let Some(definition) = &how.load_interp {
            mounts::load_interpreter(&directory, definition)?;
        }
    }
    prepared.places.enter()?;
    if let Some(directory) = &how.mount_proc {
        mounts::mount_proc(directory)?;
    }
    match options.ids.keep_caps {
        true => prepared.credentials.take_with_capabilities()?,
        false => prepared.credentials.take()?,
    }
    match (how.kill_child, parent) {
        (Some(signal), Some(parent)) => parent.kill_with(signal).context("--kill-child"),
        _ => Ok(()),
    }
}

fn shell() -> Command {
    Command::new(env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into()))
}
