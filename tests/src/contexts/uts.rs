// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_NEWUTS`: host name and domain name.

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::unshare;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::questions::{hostname, set_hostname};
use crate::world::World;

const UTS: Contexts = Contexts::UTS;

pub(crate) fn suite() -> Suite {
    Suite::new("uts")
        .test(
            "the copy has the same host name, and the caller's change stays private",
            own_name,
        )
        .test(
            "other tasks' change of the host name does not reach the caller",
            others_name,
        )
        .test("above user.max_uts_namespaces: ENOSPC, CLONE_NEWUTS", limit)
}

fn own_name() -> Result<()> {
    let world = World::alone()?;
    let old = hostname("")?;
    world.replaces(unshare(UTS), UTS, &["ns/uts"])?;
    ensure!(hostname("")? == old);
    ensure!(set_hostname("of-the-caller")? == "of-the-caller");
    ensure!(world.witness.ask(hostname, "")? == old);
    Ok(())
}

fn others_name() -> Result<()> {
    // A UTS namespace that ends with this test, so that the machine keeps its name.
    crate::backend::syscall(UTS)?;
    let world = World::here(Contexts::empty())?;
    world.replaces(unshare(UTS), UTS, &["ns/uts"])?;
    let old = hostname("")?;
    ensure!(world.witness.ask(set_hostname, "of-the-others")? != old);
    ensure!(hostname("")? == old);
    Ok(())
}

fn limit() -> Result<()> {
    let world = World::alone()?;
    let limit = Setting::sysctl("user/max_uts_namespaces", "0")?;
    world.refuses(unshare(UTS), Errno::NOSPC, UTS)?;
    drop(limit);
    world.replaces(unshare(UTS), UTS, &["ns/uts"])
}
