// SPDX-License-Identifier: GPL-2.0-only

//! Names of users and groups, as /etc/passwd and /etc/group have them: a static program has no other
//! name service.

use std::fs;
use std::str::FromStr;

use anyhow::{Context, Error, Result};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A user, given by name or number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UserName(pub(crate) u32);

/// A group, given by name or number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupName(pub(crate) u32);

impl FromStr for UserName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Self(number(PASSWD, text)?))
    }
}

impl FromStr for GroupName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Self(number(GROUP, text)?))
    }
}

/// The name of the user with this number, if there is one.
pub(crate) fn name_of_user(uid: u32) -> Option<String> {
    let passwd = fs::read_to_string(PASSWD).ok()?;
    let (name, _) = entries(&passwd).find(|(_, number)| *number == uid)?;
    Some(name.to_owned())
}

fn number(file: &str, text: &str) -> Result<u32> {
    // The last number means "unchanged" to the kernel.
    if let Some(number) = text.parse().ok().filter(|number| *number != u32::MAX) {
        return Ok(number);
    }
    let entry = fs::read_to_string(file).context(file.to_owned())?;
    let found = entries(&entry).find(|(name, _)| *name == text);
    found
        .map(|(_, number)| number)
        .with_context(|| format!("{file}: no entry {text}"))
}

fn entries(text: &str) -> impl Iterator<Item = (&str, u32)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((name, fields.nth(1)?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_names_with_numbers() {
        let text = "root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1000:1000::/home/alice:\n";
        let found: Vec<_> = entries(text).collect();
        assert_eq!(found, [("root", 0), ("alice", 1000)]);
    }

    #[test]
    fn unchanged_is_no_number() {
        assert!("4294967295".parse::<UserName>().is_err());
        assert!("-1".parse::<GroupName>().is_err());
    }
}
