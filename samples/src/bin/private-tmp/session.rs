// SPDX-License-Identifier: GPL-2.0-only

use std::env;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use unshare_device::{Contexts, Request};
use unshare_tools::{Fork, exec, explain, fork, open_device};

use crate::PROGRAM;
use crate::account::Account;
use crate::config::{self, Entry, Method};
use crate::instance::{self, Parent};
use crate::options::Options;
use crate::polydir::Polydir;
use crate::script;
use crate::temporary::Temporary;

/// Runs the session of `account`. Any error is one from before it started.
pub(crate) fn run(options: &Options, account: &Account) -> Result<ExitCode> {
    let mut entries = config::read(options.config.as_deref())?;
    entries.retain(|entry| entry.is_for(&account.name));
    let directory = env::current_dir().ok();

    let mut temporaries = Vec::new();
    if !entries.is_empty() {
        leave_namespace()?;
        for entry in &entries {
            let covered = cover(entry, options, account);
            let name = entry.directory(account);
            temporaries.extend(covered.with_context(|| name.display().to_string())?);
        }
    }
    if !temporaries.is_empty() {
        // SAFETY: This program starts no threads.
        if let Fork::Parent(child) = unsafe { fork() }.context("fork")? {
            let status = child.wait()?;
            for temporary in temporaries {
                temporary.remove()?;
            }
            return Ok(status);
        }
    }

    become_user(account)?;
    // By name: what the shell of before was in may be covered now. At worst it is /.
    let home = account.home.as_path();
    let directories = [directory.as_deref(), Some(home), Some(Path::new("/"))];
    let _ = directories
        .into_iter()
        .flatten()
        .find(|directory| env::set_current_dir(directory).is_ok());
    Ok(exec(PROGRAM, command(options, account)))
}

/// Leaves the mount namespace, and all descriptors that could lead back to what it shows.
fn leave_namespace() -> Result<()> {
    let device = open_device()?;
    let request = Request::new()
        .unshare(Contexts::MOUNT | Contexts::FILES)
        .close_range(3..=u32::MAX);
    // SAFETY: This program has one thread, and owns no descriptor above stderr but the device's,
    // which it forgets.
    unsafe { device.commit(&request) }.map_err(|error| explain(error, &request, &device))?;
    std::mem::forget(device);

    // What is mounted elsewhere still arrives here; what is mounted here stays here.
    mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )
    .context("/: cannot set the propagation")
}

/// Mounts the instance over the directory, and tells what is to be removed with the session.
fn cover(entry: &Entry, options: &Options, account: &Account) -> Result<Option<Temporary>> {
    let polydir = Polydir::open(entry, account)?;
    let prefix = entry.prefix(account);
    let parent = || Parent::open(&prefix, options.ignore_instance_parent_mode);

    let mut temporary = None;
    let (instance, is_new) = match entry.method {
        Method::Tmpfs => {
            polydir.cover_with_tmpfs(&entry.flags.mount_options)?;
            ("tmpfs".into(), true)
        }
        Method::Tmpdir => {
            let (made, instance) = Temporary::make(parent()?, &account.name, &polydir)?;
            temporary = Some(made);
            polydir.cover_with(&instance.directory)?;
            (instance.path, true)
        }
        Method::User | Method::Context | Method::Level => {
            let Some(name) = instance::name(entry, account) else {
                return Ok(None);
            };
            let instance = parent()?.instance(&name, &polydir)?;
            polydir.cover_with(&instance.directory)?;
            (instance.path, instance.is_new)
        }
    };
    let arguments = script::Arguments {
        directory: &polydir.path,
        instance: &instance,
        is_new,
        user: &account.name,
    };
    script::run(&entry.flags.script, &arguments)?;
    Ok(temporary)
}

fn become_user(account: &Account) -> Result<()> {
    let (uid, gid) = (account.uid, account.gid);
    set_thread_groups(&account.groups).context("setgroups")?;
    set_thread_res_gid(gid, gid, gid).context("setresgid")?;
    set_thread_res_uid(uid, uid, uid).context("setresuid")
}

fn command(options: &Options, account: &Account) -> Command {
    let mut command = unshare_samples::command(&options.command).unwrap_or_else(|| shell(account));
    command
        .env("HOME", &account.home)
        .env("USER", &account.name)
        .env("LOGNAME", &account.name)
        .env("SHELL", &account.shell);
    command
}

fn shell(account: &Account) -> Command {
    let mut command = Command::new(&account.shell);
    match env::var_os("SSH_ORIGINAL_COMMAND") {
        Some(asked) => command.arg("-c").arg(asked),
        None => {
            let name = account.shell.file_name().unwrap_or_default();
            command.arg0(format!("-{}", name.to_string_lossy()))
        }
    };
    command
}
