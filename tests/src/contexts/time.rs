// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_NEWTIME`: the clocks of future children.

use std::fs;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use unshare_device::Contexts;

use crate::check::ensure;
use crate::child::in_child;
use crate::device::unshare;
use crate::harness::Suite;
use crate::world::World;

const TIME: Contexts = Contexts::TIME;
const AHEAD: i64 = 1_000_000;

pub(crate) fn suite() -> Suite {
    Suite::new("time")
        .test(
            "the caller keeps its clock, and its children have the offset",
            children,
        )
        .test(
            "without an offset, the children have the caller's clock",
            no_offset,
        )
}

/// What the caller's clock shows.
pub(crate) fn seconds() -> i64 {
    clock_gettime(ClockId::Monotonic).tv_sec
}

/// Returns how far a child's clock is ahead of the caller's. Starting the child takes a moment.
fn ensure_ahead(expected: i64) -> Result<()> {
    let here = seconds();
    let there: i64 = in_child(|| Ok(seconds().to_string()))?.parse()?;
    let ahead = there - here;
    ensure!(
        (expected..expected + 20).contains(&ahead),
        "{ahead} s ahead"
    );
    Ok(())
}

fn children() -> Result<()> {
    let world = World::alone()?;
    let before = seconds();
    world.replaces(unshare(TIME), TIME, &["ns/time_for_children"])?;
    fs::write("/proc/self/timens_offsets", format!("monotonic {AHEAD} 0"))?;
    ensure!(seconds() - before < AHEAD);
    ensure_ahead(AHEAD)
}

fn no_offset() -> Result<()> {
    let world = World::alone()?;
    world.replaces(unshare(TIME), TIME, &["ns/time_for_children"])?;
    ensure_ahead(0)
}
