// SPDX-License-Identifier: GPL-2.0-only

//! Users, as /etc/passwd and /etc/group have them: a static program has no other name service.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use rustix::process::{Gid, Uid};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A user who can have a session.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    /// The primary one among them.
    pub(crate) groups: Vec<Gid>,
    pub(crate) home: PathBuf,
    pub(crate) shell: PathBuf,
}

impl Account {
    pub(crate) fn by_name(name: &str) -> Result<Self> {
        Self::find(|fields| fields[0] == name)?.with_context(|| format!("{PASSWD}: no user {name}"))
    }

    pub(crate) fn by_uid(uid: Uid) -> Result<Self> {
        Self::find(|fields| fields[2].parse() == Ok(uid.as_raw()))?
            .with_context(|| format!("{PASSWD}: no user with number {uid}"))
    }

    fn find(is_it: impl Fn(&[&str; 7]) -> bool) -> Result<Option<Self>> {
        let passwd = read(PASSWD)?;
        let Some(fields) = passwd.lines().filter_map(fields).find(is_it) else {
            return Ok(None);
        };
        let [name, _, uid, gid, _, home, shell] = fields;
        // It becomes a file's name.
        let is_plain = !name.contains('/') && !["", ".", ".."].contains(&name);
        ensure!(is_plain, "{PASSWD}: {name:?} is no name for a user");

        let gid = parse_gid(gid).with_context(|| format!("{PASSWD}: group of {name}"))?;
        Ok(Some(Self {
            name: name.to_owned(),
            uid: parse_uid(uid).with_context(|| format!("{PASSWD}: number of {name}"))?,
            gid,
            groups: groups(&read(GROUP)?, name, gid),
            home: if home.is_empty() { "/" } else { home }.into(),
            shell: if shell.is_empty() { "/bin/sh" } else { shell }.into(),
        }))
    }
}

/// The group of that name, or number.
pub(crate) fn group_id(name: &str) -> Result<Gid> {
    if let Some(gid) = parse_gid(name) {
        return Ok(gid);
    }
    read(GROUP)?
        .lines()
        .filter_map(fields::<4>)
        .find(|fields| fields[0] == name)
        .and_then(|fields| parse_gid(fields[2]))
        .with_context(|| format!("{GROUP}: no group {name}"))
}

/// The user of that name, or number.
pub(crate) fn user_id(name: &str) -> Result<Uid> {
    match parse_uid(name) {
        Some(uid) => Ok(uid),
        None => Ok(Account::by_name(name)?.uid),
    }
}

fn groups(group: &str, name: &str, primary: Gid) -> Vec<Gid> {
    let others = group
        .lines()
        .filter_map(fields::<4>)
        .filter(|fields| fields[3].split(',').any(|member| member == name))
        .filter_map(|fields| parse_gid(fields[2]))
        .filter(|gid| *gid != primary);
    [primary].into_iter().chain(others).collect()
}

fn fields<const N: usize>(line: &str) -> Option<[&str; N]> {
    line.split(':').collect::<Vec<_>>().try_into().ok()
}

// The last number means "unchanged" to the kernel.
fn parse_uid(text: &str) -> Option<Uid> {
    let number = text.parse().ok().filter(|number| *number != u32::MAX)?;
    Some(Uid::from_raw(number))
}

fn parse_gid(text: &str) -> Option<Gid> {
    let number = text.parse().ok().filter(|number| *number != u32::MAX)?;
    Some(Gid::from_raw(number))
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).context(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_the_primary_one_and_the_memberships() {
        let file = "root:x:0:\nusers:x:100:bob,alice\nalice:x:1000:alice\nwheel:x:10:malice\n";
        let found = groups(file, "alice", Gid::from_raw(1000));
        let numbers: Vec<_> = found.into_iter().map(Gid::as_raw).collect();
        assert_eq!(numbers, [1000, 100]);
    }

    #[test]
    fn unchanged_is_no_number() {
        assert_eq!(parse_uid("4294967295"), None);
        assert_eq!(parse_uid("-1"), None);
        assert_eq!(parse_gid("7"), Some(Gid::from_raw(7)));
    }
}
