// SPDX-License-Identifier: GPL-2.0-only

//! Subordinate ids: subuid(5), subgid(5).

use std::fs;

use anyhow::{Context, Result, ensure};

use super::range::{Range, Source, parse_map};
use crate::accounts::name_of_user;

/// The ranges that the sources stand for. `kind` is uid or gid, `caller` the user whose subordinate
/// ids they are.
pub(super) fn expand(sources: &[Source], kind: &str, caller: u32) -> Result<Vec<Range>> {
    let mut ranges = Vec::new();
    for source in sources {
        match source {
            Source::Range(range) => ranges.push(*range),
            Source::Auto => {
                let first = owned(kind, caller)?[0];
                ranges.push(Range { inner: 0, ..first });
            }
            Source::Subids => ranges.extend(owned(kind, caller)?),
            Source::All => ranges.extend(all(kind)?),
        }
    }
    Ok(ranges)
}

/// The ranges that the administrator gave to the user, mapped to themselves; at least one.
fn owned(kind: &str, caller: u32) -> Result<Vec<Range>> {
    let path = format!("/etc/sub{kind}");
    let text = fs::read_to_string(&path).context(path.clone())?;
    let name = name_of_user(caller);
    let owners = [name, Some(caller.to_string())];
    let found: Vec<_> = entries(&text, &owners).collect();
    ensure!(!found.is_empty(), "{path}: no range for user {caller}");
    Ok(found)
}

fn entries<'a>(text: &'a str, owners: &'a [Option<String>]) -> impl Iterator<Item = Range> + 'a {
    text.lines().filter_map(|line| {
        let (owner, range) = line.split_once(':')?;
        let (first, count) = range.split_once(':')?;
        let (first, count) = (first.parse().ok()?, count.trim().parse().ok()?);
        let is_owned = owners.iter().flatten().any(|name| name == owner);
        is_owned.then_some(Range {
            inner: first,
            outer: first,
            count,
        })
    })
}

/// All ids of the caller's user namespace, mapped to themselves.
fn all(kind: &str) -> Result<Vec<Range>> {
    let path = format!("/proc/self/{kind}_map");
    let text = fs::read_to_string(&path).context(path)?;
    let to_itself = |range: Range| Range {
        outer: range.inner,
        ..range
    };
    Ok(parse_map(&text).map(to_itself).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_have_a_name_or_a_number() {
        let text = "alice:100000:65536\nbob:165536:65536\n1000:300000:10\nbroken:1\n";
        let owners = [Some("alice".to_owned()), Some("1000".to_owned())];
        let found: Vec<_> = entries(text, &owners).map(|range| range.outer).collect();
        assert_eq!(found, [100_000, 300_000]);
    }
}
