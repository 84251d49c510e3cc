// SPDX-License-Identifier: GPL-2.0-only

//! Contexts alone, in pairs, and all together: exactly the requested ones are replaced, and the
//! sharer is not affected.

use anyhow::Result;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::{close_range, unshare};
use crate::everything::{PROCESS, SHARED, all_at_once, pairs, points, replaced, singles};
use crate::harness::Suite;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    let requests = singles().into_iter().chain(pairs());
    let suite = requests.fold(Suite::new("combinations"), |suite, bits| {
        suite.test(format!("{bits}: exactly these are replaced"), move || {
            exactly(SHARED, bits)
        })
    });
    let suite = singles().into_iter().fold(suite, |suite, bits| {
        suite
            .test(
                format!("{bits}, with a shared address space: exactly these are replaced"),
                move || exactly(PROCESS, bits),
            )
            .test(
                format!("{bits} and CLONE_VM: exactly these are replaced"),
                move || exactly(PROCESS, bits | Contexts::VM),
            )
            .test(
                format!("{bits} and CLONE_SIGHAND: exactly these are replaced"),
                move || exactly(PROCESS, bits | Contexts::SIGHAND),
            )
    });
    suite
        .test("all contexts together: all are replaced", || {
            exactly(SHARED, all_at_once())
        })
        .test(
            "all contexts and CLONE_VM together: all are replaced",
            || exactly(PROCESS, all_at_once() | PROCESS),
        )
        .test(
            "all contexts together, with an empty mount namespace",
            || exactly(PROCESS, all_at_once() | PROCESS | Contexts::EMPTY_MNTNS),
        )
        .test(
            "all contexts together, with an empty descriptor table",
            all_and_close,
        )
        .test(
            "a request for all contexts leaves the sharer's as they are",
            || sharer_stays(all_at_once() | PROCESS | Contexts::EMPTY_MNTNS),
        )
        .test(
            "one request for each context has the same result as one for all",
            one_by_one,
        )
        .by_lot(30)
}

fn exactly(shared: Contexts, bits: Contexts) -> Result<()> {
    let world = World::sharing(shared)?;
    let (reply, changed) = world.commit(unshare(bits))?;
    let replaced = replaced(shared, bits);
    world.ensure_replaced(reply, replaced)?;
    let expected = points(replaced);
    ensure!(
        changed == expected,
        "changed are {changed:?}, not {expected:?}"
    );
    Ok(())
}

/// The sharer does not change, except that it shares less.
fn sharer_stays(bits: Contexts) -> Result<()> {
    let world = World::sharing(PROCESS)?;
    let before = world.snapshot_of_sharer()?;
    let reply = world.device.commit(unshare(bits));
    ensure!(reply.errno.is_none(), "{reply:?}");
    let mut changed = before.changed(&world.snapshot_of_sharer()?);
    changed.retain(|point| !point.starts_with("kcmp/"));
    ensure!(changed.is_empty(), "the sharer's {changed:?} changed");
    Ok(())
}

fn all_and_close() -> Result<()> {
    let all = all_at_once() | PROCESS;
    let world = World::sharing(PROCESS)?;
    let (reply, changed) = world.commit(close_range(all, 0, u32::MAX))?;
    world.ensure_replaced(reply, all)?;
    let mut expected = points(all);
    expected.insert("fd".to_owned());
    ensure!(
        changed == expected,
        "changed are {changed:?}, not {expected:?}"
    );
    Ok(())
}

fn one_by_one() -> Result<()> {
    let world = World::sharing(PROCESS)?;
    let before = world.snapshot()?;
    // The user namespace comes last: in it the caller has no fewer rights, but the witness is
    // outside.
    let all = all_at_once() | PROCESS;
    let rest = all.difference(Contexts::USER);
    for bit in rest.each().chain([Contexts::USER]) {
        let reply = world.device.commit(unshare(bit));
        ensure!(reply.errno.is_none(), "{bit}: {reply:?}");
    }
    let changed = before.changed(&world.snapshot()?);
    let expected = points(all);
    ensure!(
        changed == expected,
        "changed are {changed:?}, not {expected:?}"
    );
    Ok(())
}
