// SPDX-License-Identifier: GPL-2.0-only

//! Each kind alone, each pair, and all together: exactly the requested kinds are attached, and
//! neither the target nor the caller's sharer is affected.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use unshare_device::Contexts;

use super::target::{ATTACHABLE, KINDS, Target, attach, own_pidfd};
use crate::check::ensure;
use crate::child::in_child;
use crate::device::Args;
use crate::everything::{self, PROCESS, SHARED, replaced};
use crate::harness::Suite;
use crate::questions::{change_root, chdir};
use crate::world::World;

pub(crate) fn suite() -> Suite {
    let suite = ATTACHABLE.each().fold(Suite::new("attach"), |suite, kind| {
        suite.test(
            format!("{kind}, alone and with each other kind: exactly these are the target's"),
            move || with_each(kind),
        )
    });
    suite
        .test("all kinds and CLONE_FS together", || alone(ATTACHABLE))
        .test("all kinds together", || alone(KINDS))
        .test(
            "one request for each kind has the same result as one for all",
            one_by_one,
        )
        .test("the target keeps all its contexts", target_stays)
        .test(
            "a task that shares contexts with the caller keeps them",
            sharer_stays,
        )
        .test("attaching to the caller itself replaces nothing", oneself)
        .test(
            "attaching to a task in the same namespaces replaces nothing",
            same,
        )
        .test("a second request replaces nothing", twice)
}

/// Makes a request that succeeds. Returns the points in which the caller has changed.
pub(super) fn taken(world: &World, args: Args, replaced: Contexts) -> Result<BTreeSet<String>> {
    let (reply, changed) = world.commit(args)?;
    World::ensure_reply(reply, replaced)?;
    Ok(changed)
}

/// The points of a snapshot that come from the target, each with the target's point that it is
/// taken from.
fn points(kinds: Contexts) -> Vec<(&'static str, &'static str)> {
    let points = kinds.each().flat_map(|kind| match kind {
        Contexts::FS => &[("root", "root"), ("cwd", "cwd")][..],
        Contexts::MOUNT if kinds.contains(Contexts::FS) => &[("ns/mnt", "ns/mnt")],
        // Both are at the root of the namespace, where the target's root is as well.
        Contexts::MOUNT => &[("ns/mnt", "ns/mnt"), ("root", "root"), ("cwd", "root")],
        Contexts::UTS => &[("ns/uts", "ns/uts")],
        Contexts::IPC => &[("ns/ipc", "ns/ipc")],
        Contexts::USER => &[("ns/user", "ns/user")],
        Contexts::PID => &[("ns/pid_for_children", "ns/pid")],
        Contexts::NET => &[("ns/net", "ns/net")],
        Contexts::CGROUP => &[("ns/cgroup", "ns/cgroup")],
        Contexts::TIME => &[
            ("ns/time", "ns/time"),
            ("ns/time_for_children", "ns/time_for_children"),
        ],
        other => panic!("{other} is not attached"),
    });
    points.copied().collect()
}

/// The points in which a caller that shared [`SHARED`] must have changed.
fn changes(kinds: Contexts) -> BTreeSet<String> {
    let mut changes = everything::points(replaced(SHARED, kinds) & SHARED);
    changes.extend(points(kinds).iter().map(|&(own, _)| own.to_owned()));
    changes
}

/// Attaches, and checks that the caller has the target's contexts of these kinds and no others.
fn exactly(target: &Target, kinds: Contexts) -> Result<()> {
    let world = World::sharing(SHARED)?;
    let changed = taken(&world, target.attach(kinds), replaced(SHARED, kinds))?;
    let expected = changes(kinds);
    ensure!(changed == expected, "{changed:?} instead of {expected:?}");
    let (own, theirs) = (world.snapshot()?, target.snapshot(&world)?);
    for (point, source) in points(kinds) {
        let [own, theirs] = [own.get(point)?, theirs.get(source)?];
        ensure!(own == theirs, "{point} is {own} instead of {theirs}");
    }
    Ok(())
}

/// A target in its own namespaces, with its own root and working directory.
fn elsewhere(kinds: Contexts) -> Result<Target> {
    let target = Target::new(kinds)?;
    target.ask(chdir, "/sys/kernel")?;
    if !kinds.contains(Contexts::MOUNT) {
        target.ask(change_root, "/sys")?;
    }
    Ok(target)
}

fn with_each(kind: Contexts) -> Result<()> {
    // If only directories are attached, the target has the caller's mount namespace, so that the
    // directories are on the caller's mounts.
    let target = elsewhere(match kind {
        Contexts::FS => KINDS.difference(Contexts::MOUNT),
        _ => KINDS,
    })?;
    let others = ATTACHABLE
        .each()
        .filter(|other| other.bits() >= kind.bits());
    for other in others.filter(|&other| other != Contexts::MOUNT || kind != Contexts::FS) {
        let kinds = kind | other;
        let attached = in_child(|| exactly(&target, kinds).map(|()| String::new()));
        attached.with_context(|| kinds.to_string())?;
    }
    Ok(())
}

fn alone(kinds: Contexts) -> Result<()> {
    exactly(&elsewhere(KINDS)?, kinds)
}

fn one_by_one() -> Result<()> {
    let target = elsewhere(KINDS)?;
    let world = World::sharing(SHARED)?;
    let before = world.snapshot()?;
    // The user namespace comes last: it owns the other namespaces, in which root has capabilities
    // anyway.
    let rest = KINDS.difference(Contexts::USER);
    for kind in rest.each().chain([Contexts::USER]) {
        let reply = world.device.commit(target.attach(kind));
        ensure!(reply.errno.is_none(), "{kind}: {reply:?}");
    }
    let changed = before.changed(&world.snapshot()?);
    let expected = changes(KINDS);
    ensure!(changed == expected, "{changed:?} instead of {expected:?}");
    Ok(())
}

fn target_stays() -> Result<()> {
    let target = elsewhere(KINDS)?;
    let world = World::alone()?;
    let before = target.snapshot(&world)?;
    let reply = world.device.commit(target.attach(ATTACHABLE));
    ensure!(reply.errno.is_none(), "{reply:?}");
    before.ensure_same(&target.snapshot(&world)?)
}

fn sharer_stays() -> Result<()> {
    let target = elsewhere(KINDS)?;
    let world = World::sharing(PROCESS)?;
    let before = world.snapshot_of_sharer()?;
    // The clocks would be mapped into the memory of both.
    let kinds = ATTACHABLE.difference(Contexts::TIME);
    let reply = world.device.commit(target.attach(kinds));
    ensure!(reply.errno.is_none(), "{reply:?}");
    let changed = before.changed(&world.snapshot_of_sharer()?);
    let left = ["kcmp/fs", "kcmp/sysvsem"];
    ensure!(changed.iter().eq(left), "the sharer's {changed:?}");
    Ok(())
}

/// A mount namespace sets root and working directory even if it is the caller's own, as setns(2)
/// does.
fn replaced_again(kinds: Contexts) -> Contexts {
    match kinds.intersects(Contexts::MOUNT | Contexts::FS) {
        true => Contexts::FS,
        false => Contexts::empty(),
    }
}

fn oneself() -> Result<()> {
    chdir("/")?;
    let world = World::alone()?;
    let pidfd = own_pidfd()?;
    for kind in ATTACHABLE.difference(Contexts::USER).each() {
        let args = attach(&pidfd, kind, Contexts::empty());
        let changed = taken(&world, args, replaced_again(kind)).context(kind)?;
        ensure!(changed.is_empty(), "{kind}: {changed:?}");
    }
    Ok(())
}

fn same() -> Result<()> {
    chdir("/")?;
    let target = Target::new(Contexts::empty())?;
    let world = World::alone()?;
    let kinds = ATTACHABLE.difference(Contexts::USER);
    let changed = taken(&world, target.attach(kinds), replaced_again(kinds))?;
    ensure!(changed.is_empty(), "{changed:?}");
    Ok(())
}

fn twice() -> Result<()> {
    let target = Target::new(KINDS)?;
    let world = World::alone()?;
    let kinds = KINDS.difference(Contexts::USER);
    taken(&world, target.attach(kinds), kinds | Contexts::FS)?;
    let changed = taken(&world, target.attach(kinds), replaced_again(kinds))?;
    ensure!(changed.is_empty(), "{changed:?}");
    Ok(())
}
