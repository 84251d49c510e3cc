// SPDX-License-Identifier: GPL-2.0-only

//! What pam_exec can do: all but the session itself, which a child cannot reach.

use std::env;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::account::Account;
use crate::config::{self, Entry, Method};
use crate::instance::{self, Parent};
use crate::options::Options;
use crate::polydir::Polydir;
use crate::temporary;

/// Does what `PAM_TYPE` says, for `PAM_USER`.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let user = env::var("PAM_USER").context("PAM_USER")?;
    let kind = env::var("PAM_TYPE").context("PAM_TYPE")?;
    let work = match kind.as_str() {
        "open_session" => open,
        "close_session" => close,
        _ => bail!("PAM_TYPE is {kind}: this belongs into the session stack"),
    };
    let account = Account::by_name(&user)?;
    for entry in config::read(options.config.as_deref())? {
        if entry.is_for(&account.name) {
            let name = entry.directory(&account);
            work(&entry, options, &account).with_context(|| name.display().to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(entry: &Entry, options: &Options, account: &Account) -> Result<()> {
    let polydir = Polydir::open(entry, account)?;
    if entry.method == Method::Tmpfs {
        return Ok(());
    }
    let parent = parent(entry, options, account)?;
    // Others are the session's: it alone knows its context.
    if entry.method == Method::User {
        if let Some(name) = instance::name(entry, account) {
            parent.instance(&name, &polydir)?;
        }
    }
    Ok(())
}

fn close(entry: &Entry, options: &Options, account: &Account) -> Result<()> {
    match entry.method {
        Method::Tmpdir => {
            temporary::remove_unused(&parent(entry, options, account)?, &account.name)
        }
        _ => Ok(()),
    }
}

fn parent(entry: &Entry, options: &Options, account: &Account) -> Result<Parent> {
    Parent::open(&entry.prefix(account), options.ignore_instance_parent_mode)
}
