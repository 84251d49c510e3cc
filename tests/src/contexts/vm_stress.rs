// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM` very often, and of much memory. `--full` proves it; without it, the tests only check
//! that it still runs.

use std::time::Duration;

use anyhow::Result;
use rustix::mm::MapFlags;
use unshare_device::Contexts;

use super::vm::{SIGHAND, VM};
use super::vm_request::reader;
use crate::check::ensure;
use crate::device::{Device, unshare};
use crate::harness::Suite;
use crate::memory::{mark_all, marked, read, unmarked, write};
use crate::scale::{limit, rounds};
use crate::slab::leaves_nothing;
use crate::vfork::vfork;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_stress")
        .slow(
            "a vfork child, a request and an exit, many times: no memory is leaked",
            limit(),
            often,
        )
        .slow(
            "of 64 MiB, no page is lost and none is shared",
            limit(),
            much,
        )
}

fn often() -> Result<()> {
    let page = marked(1, 1, MapFlags::PRIVATE)?;
    let device = Device::open()?;
    let _readers = [reader()?, reader()?];
    let mut round = 0;
    let times = rounds(80, 10_000);
    leaves_nothing(times, times, || {
        let more = [Contexts::empty(), SIGHAND][round % 2];
        let child = vfork(VM | more, || {
            let reply = device.commit(unshare(VM));
            ensure!(reply.replaced == VM | more, "{reply:?}");
            write(page.start(), 2);
            Ok(String::new())
        })?;
        child.report(Duration::from_secs(60))?;
        ensure!(read(page.start()) == 1, "round {round}: a child wrote here");
        round += 1;
        Ok(())
    })
}

fn much() -> Result<()> {
    let pages = marked(16384, 1, MapFlags::PRIVATE)?;
    let device = Device::open()?;
    for round in 0..rounds(4, 1000) as u64 {
        mark_all(&pages, round);
        let child = vfork(VM, || {
            let reply = device.commit(unshare(VM));
            ensure!(reply.replaced == VM, "{reply:?}");
            ensure!(unmarked(&pages, round) == 0, "pages are lost");
            // Writing copies each page.
            mark_all(&pages, round + 1_000_000);
            ensure!(unmarked(&pages, round + 1_000_000) == 0);
            Ok(String::new())
        })?;
        ensure!(unmarked(&pages, round) == 0, "a page is the child's, too");
        child.report(limit())?;
        ensure!(unmarked(&pages, round) == 0);
    }
    Ok(())
}
