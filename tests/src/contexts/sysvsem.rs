// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_SYSVSEM`: the list of semaphore adjustments to undo.

use anyhow::Result;
use rustix::process::getpid;
use unshare_device::Contexts;

use super::sysv::{Semaphore, add_one, value};
use crate::check::ensure;
use crate::device::unshare;
use crate::harness::Suite;
use crate::oracle::{Kcmp, same};
use crate::world::World;

const SYSVSEM: Contexts = Contexts::SYSVSEM;

pub(crate) fn suite() -> Suite {
    Suite::new("sysvsem")
        .test(
            "shared adjustments are applied when the last sharer exits",
            shared,
        )
        .test(
            "adjustments that the sharer makes later stay the sharer's",
            sharers_own,
        )
        .test(
            "a private list of adjustments is applied at once",
            not_shared,
        )
        .test(
            "a caller without adjustments has nothing to replace",
            nothing,
        )
        .test(
            "adjustments made after the request are applied when the caller exits",
            new_ones,
        )
}

fn shared() -> Result<()> {
    let semaphore = Semaphore::new()?;
    let world = World::sharing(SYSVSEM)?;
    semaphore.add_with_undo(5)?;
    world.replaces(unshare(SYSVSEM), SYSVSEM, &["kcmp/sysvsem"])?;
    ensure!(value(&semaphore.id())? == "5", "applied too early");
    let World { sharer, .. } = world;
    drop(sharer);
    ensure!(
        value(&semaphore.id())? == "0",
        "not applied by the sharer's exit"
    );
    Ok(())
}

fn sharers_own() -> Result<()> {
    let semaphore = Semaphore::new()?;
    let world = World::sharing(SYSVSEM)?;
    world.replaces(unshare(SYSVSEM), SYSVSEM, &["kcmp/sysvsem"])?;
    world.sharer.ask(add_one, &semaphore.id())?;
    // Nothing of the caller's is left to be undone.
    world.replaces(unshare(SYSVSEM), Contexts::empty(), &[])?;
    ensure!(value(&semaphore.id())? == "1");
    Ok(())
}

fn not_shared() -> Result<()> {
    let semaphore = Semaphore::new()?;
    let world = World::alone()?;
    semaphore.add_with_undo(5)?;
    ensure!(world.witness.ask(value, &semaphore.id())? == "5");
    world.replaces(unshare(SYSVSEM), SYSVSEM, &["kcmp/sysvsem"])?;
    ensure!(world.witness.ask(value, &semaphore.id())? == "0");
    let [caller, witness] = [getpid(), world.witness.pid].map(|pid| pid.as_raw_nonzero().get());
    ensure!(
        same(caller, witness, Kcmp::Sysvsem)?,
        "the caller still has a list"
    );
    Ok(())
}

fn nothing() -> Result<()> {
    World::alone()?.replaces(unshare(SYSVSEM), Contexts::empty(), &[])
}

fn new_ones() -> Result<()> {
    let semaphore = Semaphore::new()?;
    let world = World::sharing(SYSVSEM)?;
    world.replaces(unshare(SYSVSEM), SYSVSEM, &["kcmp/sysvsem"])?;
    semaphore.add_with_undo(3)?;
    let World { sharer, device, .. } = world;
    drop(sharer);
    ensure!(
        value(&semaphore.id())? == "3",
        "undone by the former sharer's exit"
    );
    let reply = device.commit(unshare(SYSVSEM));
    ensure!(reply.replaced == SYSVSEM, "{reply:?}");
    ensure!(value(&semaphore.id())? == "0");
    Ok(())
}
