// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_NEWCGROUP`: where the caller sees the root of the cgroup hierarchy.

use std::fs;

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, mount};
use rustix::process::getpid;
use unshare_device::Contexts;

use super::mount::{folder, stage};
use crate::check::ensure;
use crate::device::unshare;
use crate::harness::Suite;
use crate::questions::read;
use crate::world::World;

const CGROUP: Contexts = Contexts::CGROUP;

pub(crate) fn suite() -> Suite {
    Suite::new("cgroup")
        .test(
            "the caller sees its cgroup as the root, and other tasks do not",
            own_root,
        )
        .test(
            "the caller sees a sibling cgroup as outside the root",
            outside,
        )
}

/// Returns the path of the v2 hierarchy from a `/proc/PID/cgroup`.
fn path_in(text: &str) -> Result<&str> {
    let mut lines = text.lines();
    let path = lines.find_map(|line| line.strip_prefix("0::"));
    path.context("no v2 hierarchy")
}

/// A cgroup that the caller has moved into, until dropped.
struct Moved {
    hierarchy: String,
    path: String,
}

impl Moved {
    fn new(name: &str) -> Result<Self> {
        let hierarchy = folder("cgroup")?;
        stage()?;
        mount("none", &hierarchy, "cgroup2", MountFlags::empty(), None)?;
        let path = format!("{hierarchy}/unshare-tests-{name}");
        fs::create_dir_all(&path)?;
        fs::write(format!("{path}/cgroup.procs"), "0")?;
        Ok(Self { hierarchy, path })
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        let _ = fs::write(format!("{}/cgroup.procs", self.hierarchy), "0");
        let _ = fs::remove_dir(&self.path);
    }
}

fn own_root() -> Result<()> {
    let world = World::alone()?;
    let moved = Moved::new("own-root")?;
    let inside = fs::read_to_string("/proc/self/cgroup")?;
    ensure!(path_in(&inside)?.ends_with("/unshare-tests-own-root"));
    world.replaces(unshare(CGROUP), CGROUP, &["ns/cgroup"])?;
    ensure!(path_in(&fs::read_to_string("/proc/self/cgroup")?)? == "/");
    let path = format!("/proc/{}/cgroup", getpid().as_raw_nonzero());
    ensure!(world.witness.ask(read, &path)? == inside);
    drop(moved);
    Ok(())
}

fn outside() -> Result<()> {
    let world = World::alone()?;
    let moved = Moved::new("outside")?;
    world.replaces(unshare(CGROUP), CGROUP, &["ns/cgroup"])?;
    let path = format!("/proc/{}/cgroup", world.witness.pid.as_raw_nonzero());
    ensure!(path_in(&fs::read_to_string(path)?)?.starts_with("/.."));
    drop(moved);
    Ok(())
}
