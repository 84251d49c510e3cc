// SPDX-License-Identifier: GPL-2.0-only

use std::fs;

use anyhow::{Context, Result};
use rustix::process::{getegid, geteuid};
use unshare_tools::Target;

/// Who the caller is outside of the user namespace that it is about to get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    uid: u32,
    gid: u32,
}

impl Ids {
    /// In the caller's user namespace, or in that of `target`, which is another one.
    pub(crate) fn outside(target: Option<&Target>) -> Result<Self> {
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let Some(target) = target else {
            return Ok(Self { uid, gid });
        };
        // To a reader elsewhere, the maps say what the ids are at the reader's.
        Ok(Self {
            uid: translate(&target.read("uid_map")?, uid),
            gid: translate(&target.read("gid_map")?, gid),
        })
    }

    /// Maps them to root in the user namespace that this task just got.
    pub(crate) fn become_root(self) -> Result<()> {
        // Before gid_map: without privilege outside, the kernel wants setgroups(2) given up first.
        write("/proc/self/setgroups", "deny")?;
        write("/proc/self/uid_map", &format!("0 {} 1", self.uid))?;
        write("/proc/self/gid_map", &format!("0 {} 1", self.gid))
    }
}

/// What `id` is inside. One that is not mapped stays as it is: the kernel will refuse it.
fn translate(map: &str, id: u32) -> u32 {
    let inside = map.lines().find_map(|line| {
        let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
        let [inside, outside, count]: [u32; 3] =
            [numbers.next()?, numbers.next()?, numbers.next()?];
        let offset = id.checked_sub(outside).filter(|offset| *offset < count)?;
        inside.checked_add(offset)
    });
    inside.unwrap_or(id)
}

fn write(path: &str, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{path}: cannot write {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn ids_are_those_inside() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!(translate(map, 1000), 0);
        assert_eq!(translate(map, 100_999), 1000);
        assert_eq!(translate(map, 0), 0);
        assert_eq!(translate(map, 165_536), 165_536);
        assert_eq!(translate("0 0 4294967295\n", 7), 7);
    }
}
