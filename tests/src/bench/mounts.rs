// SPDX-License-Identifier: GPL-2.0-only

//! Mount namespaces of different sizes.

use std::fs;

use anyhow::Result;
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use unshare_device::Contexts;

use super::plan::{Plan, way};
use super::scene::{bare, commit, unshare};
use crate::check::ensure;
use crate::device::{self, UNSHARE_EMPTY_MNTNS};

pub(super) fn plans() -> Vec<Plan> {
    let sized = [1, 30, 1000].map(|size| {
        plan(format!("mount, {size} mounts"), size, Contexts::MOUNT).at("mount", "mounts", size)
    });
    let empty = plan(
        "mount, empty, out of 30".to_owned(),
        30,
        UNSHARE_EMPTY_MNTNS,
    );
    sized.into_iter().chain([empty]).collect()
}

fn plan(name: String, size: usize, contexts: Contexts) -> Plan {
    let args = move || {
        namespace(size)?;
        Ok(device::unshare(contexts))
    };
    Plan::new(name, way(args, commit)).against(
        "unshare",
        way(move || namespace(size), move |_| unshare(contexts)),
    )
}

/// Puts the task into a mount namespace with `size` mounts.
fn namespace(size: usize) -> Result<()> {
    bare()?;
    if size == 1 {
        return Ok(unshare(UNSHARE_EMPTY_MNTNS)?);
    }
    unshare(Contexts::MOUNT)?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    let there = fs::read_to_string("/proc/self/mountinfo")?.lines().count();
    ensure!(there < size, "{there} mounts are there");
    for mount in there..size {
        let path = format!("/mnt/{mount}");
        fs::create_dir_all(&path)?;
        mount_bind("/srv", &path)?;
    }
    Ok(())
}
