// SPDX-License-Identifier: GPL-2.0-only

//! A session in which /tmp and /var/tmp are the user's own.

mod account;
mod instance;

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::fs::Mode;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{Gid, Uid, geteuid, getuid, umask};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use unshare_device::{Contexts, Request};
use unshare_tools::{
    Fork, Terminal, close_inherited, exec, explain, finish, fork, open_device, parse, reset_sigchld,
};

use crate::account::Account;

const PROGRAM: &str = "private-tmp";

/// Run a session in which /tmp and /var/tmp are the user's own.
///
/// Leaves the mount namespace by one ioctl on /dev/unshare, mounts the user's two directories over
/// /tmp and /var/tmp, gives up root's privilege, and runs COMMAND as the user, or starts no session.
///
/// Root's own sessions keep the common directories. A process that changes its user inside a session
/// (su, sudo) stays in that session's directories. For another user's, start another session:
/// private-tmp --user NAME.
///
/// Without a command, runs $SSH_ORIGINAL_COMMAND, or the user's login shell.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version)]
struct Options {
    /// Whose session it is [default: $PAM_USER]
    ///
    /// Only root may use this option. A user who runs the program by its setuid bit gets a session
    /// of that user.
    #[arg(short, long, value_name = "NAME")]
    user: Option<String>,

    /// Give the session a terminal of its own: on the caller's, it may push input to the caller
    #[arg(long)]
    pty: bool,

    /// What to run, with its arguments
    #[arg(trailing_var_arg = true)]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    match parse::<Options>() {
        Ok(options) => finish(PROGRAM, run(&options)),
        Err(status) => status,
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    let account = account(options)?;
    reset_sigchld();
    // An inherited descriptor could lead back to the directories of everybody.
    close_inherited();
    if !account.uid.is_root() {
        let users = umask(Mode::RWXG | Mode::RWXO);
        leave_namespace()?;
        instance::cover(account.uid, "/tmp", "/run/private-tmp")?;
        if !instance::is_same("/var/tmp", "/tmp")? {
            instance::cover(account.uid, "/var/tmp", "/var/lib/private-tmp")?;
        }
        umask(users);
    }
    if options.pty {
        // SAFETY: This program starts no threads.
        if let Fork::Parent(child) = unsafe { fork(Some(Terminal::new()?)) }? {
            return Ok(child.wait()?);
        }
    }
    become_user(&account)?;
    // What was the working directory may be covered now.
    env::set_current_dir(&account.home).or_else(|_| env::set_current_dir("/"))?;
    Ok(exec(PROGRAM, command(options, &account)))
}

/// Whose session it is. Afterwards the caller may no longer signal this process.
fn account(options: &Options) -> Result<Account> {
    let caller = getuid();
    ensure!(
        geteuid().is_root(),
        "only root can do this: run the program as root, or install it setuid root"
    );
    if !caller.is_root() {
        ensure!(options.user.is_none(), "--user is for root");
        set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
        set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
        return Account::by_uid(caller);
    }
    let name = options.user.clone().or_else(|| env::var("PAM_USER").ok());
    let name = name.context("whose session? (--user, or PAM_USER in the environment)")?;
    Account::by_name(&name)
}

fn leave_namespace() -> Result<()> {
    let device = open_device()?;
    let request = Request::new().unshare(Contexts::MOUNT);
    // SAFETY: The descriptor table stays.
    unsafe { device.commit(&request) }.map_err(|error| explain(error, &request, &device))?;
    // What is mounted elsewhere still arrives here; what is mounted here stays here.
    mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )
    .context("/: cannot set the propagation")
}

fn become_user(account: &Account) -> Result<()> {
    let (uid, gid) = (account.uid, account.gid);
    set_thread_groups(&account.groups).context("setgroups")?;
    set_thread_res_gid(gid, gid, gid).context("setresgid")?;
    set_thread_res_uid(uid, uid, uid).context("setresuid")
}

fn command(options: &Options, account: &Account) -> Command {
    let mut command = unshare_tools::command(&options.command).unwrap_or_else(|| shell(account));
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
