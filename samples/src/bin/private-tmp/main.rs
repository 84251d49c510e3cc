// SPDX-License-Identifier: GPL-2.0-only

//! A login wrapper that gives each user, or each security context, directories of its own.

mod account;
mod config;
mod context;
mod directory;
mod instance;
mod options;
mod pam;
mod polydir;
mod script;
mod session;
mod temporary;

use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use rustix::process::{Gid, Uid, geteuid, getuid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use unshare_samples::finish;

use crate::account::Account;
use crate::options::Options;

const PROGRAM: &str = "private-tmp";

fn main() -> ExitCode {
    finish(PROGRAM, run(&Options::parse()))
}

fn run(options: &Options) -> Result<ExitCode> {
    let caller = getuid();
    ensure!(
        geteuid().is_root(),
        "only root can do this: install the program setuid root, or run it as root"
    );
    if !caller.is_root() {
        ensure!(
            !options.are_root_s(),
            "only root may use options; what is to be run goes after --"
        );
        // From here on the caller may not send signals, either.
        set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
        set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    }

    if options.pam {
        return pam::run(options);
    }
    let account = match &options.user {
        Some(name) => Account::by_name(name)?,
        None if caller.is_root() => match std::env::var("PAM_USER") {
            Ok(name) => Account::by_name(&name)?,
            Err(_) => bail!("which user? (--user, or PAM_USER in the environment)"),
        },
        None => Account::by_uid(caller)?,
    };
    session::run(options, &account).with_context(|| format!("no session for {}", account.name))
}
