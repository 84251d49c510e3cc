// SPDX-License-Identifier: GPL-2.0-only

//! `UNSHARE_DRY_RUN`: prepares, reports, and changes nothing.

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::contexts::sysv::{Semaphore, new_segment, segment_exists, value};
use crate::device::{Args, DRY_RUN, LOCAL, Reply, close_range, unshare};
use crate::everything::{PROCESS, all_at_once, points};
use crate::harness::Suite;
use crate::machine::Setting;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("dry_run")
        .test(
            "the close range stays open in a shared table",
            keeps_the_range,
        )
        .test(
            "the close range stays open in a private table",
            keeps_own_range,
        )
        .test("a private context is not reported as replaced", not_shared)
        .test(
            "a limit stops the dry run, with the context's name",
            notices_limits,
        )
        .test(
            "semaphore adjustments are not applied, and shared memory stays",
            no_side_effects,
        )
        .test("UNSHARE_IOC_LOCAL accepts a dry run", local)
        .test("the same request succeeds after its dry run", then_for_real);
    let all = all_at_once() | PROCESS;
    all.each().chain([all]).fold(suite, |suite, bits| {
        suite.test(
            format!("{bits}: the dry run reports what the request replaces"),
            move || done(unshare(bits)).map(drop),
        )
    })
}

pub(crate) fn dry(args: Args) -> Args {
    Args {
        options: args.options | DRY_RUN,
        ..args
    }
}

/// The dry run changes nothing, and has the same result as the request itself.
pub(crate) fn as_if_done(args: Args) -> Result<Reply> {
    let world = World::sharing(PROCESS)?;
    let before = [world.snapshot()?, world.snapshot_of_sharer()?];
    let tried = world.device.commit(dry(args));
    before[0].ensure_same(&world.snapshot()?)?;
    before[1].ensure_same(&world.snapshot_of_sharer()?)?;
    let done = world.device.commit(args);
    ensure!(tried == done, "tried: {tried:?}, done: {done:?}");
    Ok(done)
}

/// As above, for a request that succeeds. Returns what it replaces.
fn done(args: Args) -> Result<Contexts> {
    let reply = as_if_done(args)?;
    ensure!(reply.errno.is_none(), "{reply:?}");
    Ok(reply.replaced)
}

fn keeps_the_range() -> Result<()> {
    let replaced = done(close_range(Contexts::FILES, 0, u32::MAX))?;
    ensure!(replaced == Contexts::FILES);
    Ok(())
}

fn keeps_own_range() -> Result<()> {
    World::alone()?.replaces(
        dry(close_range(Contexts::FILES, 0, u32::MAX)),
        Contexts::empty(),
        &[],
    )
}

fn not_shared() -> Result<()> {
    World::alone()?.replaces(dry(unshare(PROCESS)), Contexts::empty(), &[])
}

fn notices_limits() -> Result<()> {
    let world = World::sharing(PROCESS)?;
    let _limit = Setting::sysctl("user/max_uts_namespaces", "0")?;
    let args = dry(unshare(all_at_once()));
    world.refuses(args, Errno::NOSPC, Contexts::UTS)
}

fn no_side_effects() -> Result<()> {
    crate::backend::syscall(Contexts::IPC)?;
    let semaphore = Semaphore::new()?;
    let world = World::alone()?;
    semaphore.add_with_undo(5)?;
    let segment = new_segment()?.to_string();
    std::fs::write("/proc/sys/kernel/shm_rmid_forced", "1")?;
    let reply = world.device.commit(dry(unshare(Contexts::IPC)));
    ensure!(reply.errno.is_none() && reply.replaced == Contexts::IPC | Contexts::SYSVSEM);
    ensure!(value(&semaphore.id())? == "5");
    ensure!(segment_exists(&segment)? == "true");
    Ok(())
}

fn local() -> Result<()> {
    let world = World::sharing(PROCESS)?;
    let before = world.snapshot()?;
    let reply = world.device.request(LOCAL, dry(unshare(PROCESS)));
    ensure!(
        reply.errno.is_none() && reply.replaced == PROCESS,
        "{reply:?}"
    );
    before.ensure_same(&world.snapshot()?)
}

fn then_for_real() -> Result<()> {
    let world = World::sharing(PROCESS)?;
    for _ in 0..10 {
        let reply = world.device.commit(dry(unshare(PROCESS)));
        ensure!(reply.replaced == PROCESS, "{reply:?}");
    }
    let (reply, changed) = world.commit(unshare(PROCESS))?;
    world.ensure_replaced(reply, PROCESS)?;
    ensure!(changed == points(PROCESS), "{changed:?}");
    Ok(())
}
