// SPDX-License-Identifier: GPL-2.0-only

//! `UNSHARE_IOC_QUERY`: what the kernel supports, and what is shared at this moment.

use anyhow::Result;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::conditions::beside_thread;
use crate::device::{CLOSE_RANGE, DRY_RUN, HOLD, QUERY, Query, UNSHARE_EMPTY_MNTNS, unshare};
use crate::harness::Suite;
use crate::sharer::Sharer;
use crate::world::World;

const THREADS: Contexts = Contexts::VM
    .union(Contexts::SIGHAND)
    .union(Contexts::THREAD)
    .union(Contexts::FS)
    .union(Contexts::FILES)
    .union(Contexts::SYSVSEM);

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("query")
        .test("the query offers each context of this kernel", offered)
        .test(
            "a context that the query does not offer is refused",
            not_offered,
        )
        .test("the tail of a longer struct is zeroed", longer)
        .test(
            "a caller that shares nothing by clone(2) shares only its namespaces",
            alone,
        )
        .test(
            "a thread shares everything that CLONE_THREAD requires",
            thread,
        )
        .test(
            "after the last sharer's exit, nothing is shared",
            sharer_ends,
        )
        .test("the query changes nothing", changes_nothing);
    let suite = kinds().each().fold(suite, |suite, kind| {
        suite.test(
            format!("{kind}: a new one is private until a child shares it"),
            move || own_namespace(kind),
        )
    });
    [
        Contexts::FS,
        Contexts::FILES,
        Contexts::SYSVSEM,
        Contexts::VM,
        Contexts::VM | Contexts::SIGHAND,
        Contexts::FS | Contexts::FILES | Contexts::SYSVSEM | Contexts::VM | Contexts::SIGHAND,
    ]
    .into_iter()
    .fold(suite, |suite, bits| {
        suite.test(
            format!("{bits}: reported as shared after clone(2)"),
            move || {
                let shared = World::sharing(bits)?
                    .device
                    .shared()?
                    .difference(Contexts::NAMESPACES);
                ensure!(shared == bits, "{shared}");
                Ok(())
            },
        )
    })
}

/// The kinds of namespaces that a task can share.
fn kinds() -> Contexts {
    Contexts::NAMESPACES.difference(Contexts::EMPTY_MNTNS)
}

fn offered() -> Result<()> {
    let query = World::alone()?.device.query()?;
    let expected = Contexts::FS
        | Contexts::FILES
        | Contexts::SYSVSEM
        | Contexts::VM
        | Contexts::SIGHAND
        | Contexts::THREAD
        | Contexts::NAMESPACES
        | UNSHARE_EMPTY_MNTNS;
    let offered = Contexts::from_bits_retain(query.contexts);
    ensure!(offered == expected, "{offered} instead of {expected}");
    let attachable = Contexts::from_bits_retain(query.attachable);
    ensure!(attachable == kinds() | Contexts::FS, "{attachable}");
    ensure!(query.options == u64::from(DRY_RUN | CLOSE_RANGE | HOLD));
    Ok(())
}

fn not_offered() -> Result<()> {
    let world = World::sharing(Contexts::VM | Contexts::SIGHAND)?;
    let offered = Contexts::from_bits_retain(world.device.query()?.contexts);
    for bit in (0..u64::BITS).map(|bit| Contexts::from_bits_retain(1 << bit)) {
        if !offered.contains(bit) {
            let reply = world.device.commit(unshare(bit));
            ensure!(reply.errno.is_some(), "{bit} succeeded");
        }
    }
    Ok(())
}

fn longer() -> Result<()> {
    #[repr(C)]
    struct Longer {
        query: Query,
        tail: [u8; 100],
    }
    let world = World::alone()?;
    let mut longer = Longer {
        query: Query::default(),
        tail: [0xff; 100],
    };
    // The size is in the 14 bits from bit 16 on.
    let number = QUERY + (64 << 16);
    ensure!(
        world
            .device
            .ioctl(number, (&raw mut longer).cast())
            .is_none()
    );
    ensure!(longer.query == world.device.query()?);
    ensure!(longer.tail[..64] == [0; 64], "the tail is not filled");
    ensure!(
        longer.tail[64..] == [0xff; 36],
        "more than the tail is filled"
    );
    Ok(())
}

fn alone() -> Result<()> {
    let shared = World::alone()?.device.shared()?;
    ensure!(shared == kinds(), "{shared}");
    Ok(())
}

fn thread() -> Result<()> {
    let world = World::alone()?;
    let shared = beside_thread(|| world.device.shared())?;
    ensure!(shared == THREADS | kinds(), "{shared}");
    Ok(())
}

fn sharer_ends() -> Result<()> {
    let World { device, sharer, .. } = World::sharing(Contexts::FS | Contexts::FILES)?;
    ensure!(device.shared()?.contains(Contexts::FS | Contexts::FILES));
    drop(sharer);
    let shared = device.shared()?.difference(kinds());
    ensure!(shared.is_empty(), "{shared}");
    Ok(())
}

fn own_namespace(kind: Contexts) -> Result<()> {
    let world = World::alone()?;
    let reply = world.device.commit(unshare(kind));
    ensure!(reply.errno.is_none(), "{reply:?}");
    ensure!(!world.device.shared()?.contains(kind), "still shared");
    let _child = Sharer::new(Contexts::empty())?;
    ensure!(
        world.device.shared()?.contains(kind),
        "not shared with the child"
    );
    Ok(())
}

fn changes_nothing() -> Result<()> {
    let world = World::sharing(Contexts::FS | Contexts::FILES)?;
    let before = [world.snapshot()?, world.snapshot_of_sharer()?];
    world.device.query()?;
    before[0].ensure_same(&world.snapshot()?)?;
    before[1].ensure_same(&world.snapshot_of_sharer()?)
}
