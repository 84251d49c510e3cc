// SPDX-License-Identifier: GPL-2.0-only

//! The syntax of namespace.conf(5).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::account::Account;

const DEFAULT_PATH: &str = "/etc/security/private-tmp.conf";
const DEFAULT: &str = include_str!("default.conf");

/// One line: a directory of which users get instances.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    directory: String,
    prefix: String,
    pub(crate) method: Method,
    pub(crate) flags: Flags,
    users: Users,
}

/// What tells one instance from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    User,
    Context,
    Level,
    Tmpdir,
    Tmpfs,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) create: Option<Create>,
    pub(crate) mount_options: String,
    pub(crate) script: Script,
    pub(crate) shared: bool,
}

/// How to make a directory that is missing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Create {
    pub(crate) mode: u32,
    /// Default: the user.
    pub(crate) owner: Option<String>,
    /// Default: the user's primary one.
    pub(crate) group: Option<String>,
}

/// What is run when an instance was mounted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Script {
    #[default]
    Default,
    Named(PathBuf),
    None,
}

/// The last field: who is excepted, or who is meant.
#[derive(Debug, PartialEq, Eq)]
struct Users {
    names: Vec<String>,
    are_meant: bool,
}

impl Entry {
    pub(crate) fn is_for(&self, user: &str) -> bool {
        self.users.names.iter().any(|name| name == user) == self.users.are_meant
    }

    pub(crate) fn directory(&self, account: &Account) -> PathBuf {
        expand(&self.directory, account).into()
    }

    pub(crate) fn prefix(&self, account: &Account) -> String {
        expand(&self.prefix, account)
    }
}

fn expand(text: &str, account: &Account) -> String {
    // In this order, since a home directory's name may hold anything.
    let text = text.replace("$USER", &account.name);
    text.replace("$HOME", &account.home.to_string_lossy())
}

/// Reads the file at `path`; without one, the default file, or what stands for it when it is missing.
pub(crate) fn read(path: Option<&Path>) -> Result<Vec<Entry>> {
    let (path, text) = match path {
        Some(path) => (path, fs::read_to_string(path)),
        None => match fs::read_to_string(DEFAULT_PATH) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return parse(DEFAULT);
            }
            result => (Path::new(DEFAULT_PATH), result),
        },
    };
    let name = path.display();
    parse(&text.with_context(|| name.to_string())?).with_context(|| name.to_string())
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let words =
            shlex::split(line).with_context(|| format!("line {number}: a quote is open"))?;
        if !words.is_empty() {
            entries.push(parse_entry(&words).with_context(|| format!("line {number}"))?);
        }
    }
    Ok(entries)
}

fn parse_entry(words: &[String]) -> Result<Entry> {
    let (directory, prefix, method, users) = match words {
        [directory, prefix, method] => (directory, prefix, method, ""),
        [directory, prefix, method, users] => (directory, prefix, method, users.as_str()),
        _ => bail!("wants DIRECTORY INSTANCE_PREFIX METHOD [USERS]"),
    };
    let mut words = method.split(':');
    let method = match words.next().unwrap_or_default() {
        "user" => Method::User,
        "context" => Method::Context,
        "level" => Method::Level,
        "tmpdir" => Method::Tmpdir,
        "tmpfs" => Method::Tmpfs,
        other => bail!("unknown method {other:?}"),
    };
    let is_absolute = |path: &str| path.starts_with('/') || path.starts_with("$HOME");
    ensure!(is_absolute(directory), "{directory}: not absolute");
    ensure!(
        method == Method::Tmpfs || is_absolute(prefix),
        "{prefix}: not absolute"
    );

    let mut flags = Flags::default();
    for word in words {
        parse_flag(&mut flags, word)?;
    }
    Ok(Entry {
        directory: directory.clone(),
        prefix: prefix.clone(),
        method,
        flags,
        users: parse_users(users),
    })
}

fn parse_flag(flags: &mut Flags, word: &str) -> Result<()> {
    match word.split_once('=').unwrap_or((word, "")) {
        ("create", options) => flags.create = Some(parse_create(options)?),
        ("iscript", "") => bail!("iscript= wants a file"),
        ("iscript", file) => flags.script = Script::Named(file.into()),
        ("noinit", "") => flags.script = Script::None,
        ("shared", "") => flags.shared = true,
        ("mntopts", options) => flags.mount_options = options.to_owned(),
        _ => bail!("unknown flag {word:?}"),
    }
    Ok(())
}

fn parse_create(options: &str) -> Result<Create> {
    let mut words = options.split(',');
    let mut word = || words.next().filter(|word| !word.is_empty());
    let mode = word().map_or(Ok(0o755), |mode| u32::from_str_radix(mode, 8));
    let mode = mode.ok().filter(|mode| *mode <= 0o7777);
    Ok(Create {
        mode: mode.with_context(|| format!("create={options}: no such mode"))?,
        owner: word().map(str::to_owned),
        group: word().map(str::to_owned),
    })
}

fn parse_users(text: &str) -> Users {
    let (names, are_meant) = match text.strip_prefix('~') {
        Some(names) => (names, true),
        None => (text, false),
    };
    Users {
        names: names
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        are_meant,
    }
}

#[cfg(test)]
mod tests;
