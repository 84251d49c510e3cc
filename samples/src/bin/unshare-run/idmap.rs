// SPDX-License-Identifier: GPL-2.0-only

use std::fs;

use anyhow::{Context, Result};
use rustix::process::{Gid, Uid};

/// Maps `uid` and `gid`, as they are outside, to root in the user namespace that this task just got.
pub(crate) fn become_root(uid: Uid, gid: Gid) -> Result<()> {
    // Before gid_map: without privilege outside, the kernel wants setgroups(2) given up first.
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {} 1", uid.as_raw()))?;
    write("/proc/self/gid_map", &format!("0 {} 1", gid.as_raw()))
}

fn write(path: &str, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{path}: cannot write {text:?}"))
}
