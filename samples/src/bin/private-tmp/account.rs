// SPDX-License-Identifier: GPL-2.0-only

//! Users, as /etc/passwd and /etc/group have them: a static program has no other name service.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
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
        Self::find(name, |fields| fields[0] == name)
    }

    pub(crate) fn by_uid(uid: Uid) -> Result<Self> {
        let number = uid.to_string();
        Self::find(&number, |fields| fields[2] == number)
    }

    fn find(user: &str, is_it: impl Fn(&[&str; 7]) -> bool) -> Result<Self> {
        let passwd = fs::read_to_string(PASSWD).context(PASSWD)?;
        let fields = passwd.lines().filter_map(fields).find(is_it);
        let [name, _, uid, gid, _, home, shell] =
            fields.with_context(|| format!("{PASSWD}: no user {user}"))?;
        let (Some(uid), Some(gid)) = (number(uid), number(gid)) else {
            bail!("{PASSWD}: the numbers of {name}");
        };
        let gid = Gid::from_raw(gid);
        Ok(Self {
            name: name.to_owned(),
            uid: Uid::from_raw(uid),
            gid,
            groups: groups(&fs::read_to_string(GROUP).context(GROUP)?, name, gid),
            home: if home.is_empty() { "/" } else { home }.into(),
            shell: if shell.is_empty() { "/bin/sh" } else { shell }.into(),
        })
    }
}

fn groups(group: &str, name: &str, primary: Gid) -> Vec<Gid> {
    let others = group
        .lines()
        .filter_map(fields::<4>)
        .filter(|fields| fields[3].split(',').any(|member| member == name))
        .filter_map(|fields| number(fields[2]).map(Gid::from_raw))
        .filter(|gid| *gid != primary);
    [primary].into_iter().chain(others).collect()
}

fn fields<const N: usize>(line: &str) -> Option<[&str; N]> {
    line.split(':').collect::<Vec<_>>().try_into().ok()
}

/// The last number means "unchanged" to the kernel.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number != u32::MAX)
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
}
