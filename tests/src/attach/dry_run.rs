// SPDX-License-Identifier: GPL-2.0-only

//! `UNSHARE_DRY_RUN` with attach reports what would happen, and changes nothing.

use anyhow::{Context, Result};
use rustix::io::Errno;
use unshare_device::Contexts;

use super::target::{ATTACHABLE, KINDS, Target};
use crate::check::ensure;
use crate::child::in_child;
use crate::contexts::sysv::{Semaphore, value};
use crate::contexts::time::seconds;
use crate::dry_run::{as_if_done, dry};
use crate::everything::PROCESS;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::world::World;

const NONE: Contexts = Contexts::empty();

pub(crate) fn suite() -> Suite {
    Suite::new("attach_dry_run")
        .test(
            "a dry run of each kind reports what the request would",
            each,
        )
        .test(
            "a dry run of all kinds and all that a process shares reports what the request would",
            all,
        )
        .test("the target keeps all its contexts", target_stays)
        .test(
            "a dry run applies no semaphore adjustments and changes no clock",
            no_side_effects,
        )
        .test(
            "a dry run names the context that would stop the request",
            refusals,
        )
}

fn each() -> Result<()> {
    let target = Target::new(KINDS)?;
    for kind in ATTACHABLE.each() {
        let compared = in_child(|| as_if_done(target.attach(kind)).map(|_| String::new()));
        compared.context(kind)?;
    }
    Ok(())
}

fn all() -> Result<()> {
    as_if_done(Target::new(KINDS)?.attach_and(ATTACHABLE, PROCESS | Contexts::NET)).map(drop)
}

fn target_stays() -> Result<()> {
    let target = Target::new(KINDS)?;
    let world = World::alone()?;
    let before = target.snapshot(&world)?;
    let reply = world.device.commit(dry(target.attach(ATTACHABLE)));
    ensure!(
        reply.errno.is_none() && reply.replaced == ATTACHABLE,
        "{reply:?}"
    );
    before.ensure_same(&target.snapshot(&world)?)
}

fn no_side_effects() -> Result<()> {
    crate::backend::syscall(Contexts::IPC)?;
    let semaphore = Semaphore::new()?;
    let target = Target::new(Contexts::IPC | Contexts::TIME)?;
    let world = World::alone()?;
    semaphore.add_with_undo(5)?;
    let before = seconds();
    let reply = world
        .device
        .commit(dry(target.attach(Contexts::IPC | Contexts::TIME)));
    let replaced = Contexts::IPC | Contexts::TIME | Contexts::SYSVSEM;
    ensure!(
        reply.errno.is_none() && reply.replaced == replaced,
        "{reply:?}"
    );
    ensure!(value(&semaphore.id())? == "5");
    ensure!(seconds() < before + 100);
    Ok(())
}

fn refusals() -> Result<()> {
    let target = Target::new(NONE)?;
    let world = World::sharing(PROCESS)?;
    let request = dry(target.attach(Contexts::USER));
    world.refuses(request, Errno::INVAL, Contexts::USER)?;
    let request = dry(target.attach(Contexts::TIME));
    world.refuses(request, Errno::USERS, Contexts::TIME)?;
    let _limit = Setting::sysctl("user/max_uts_namespaces", "0")?;
    let request = dry(target.attach_and(Contexts::MOUNT, Contexts::UTS));
    world.refuses(request, Errno::NOSPC, Contexts::UTS)?;
    let target = target.ended()?;
    let request = dry(target.attach(Contexts::UTS));
    world.refuses(request, Errno::SRCH, NONE)
}
