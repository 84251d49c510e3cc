// SPDX-License-Identifier: GPL-2.0-only

//! The same request by setns(2) and by the ioctl: the same errno, and the same effect.

use std::fmt::Write;
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use unshare_device::Contexts;

use super::scenes::{SCENES, Scene};
use super::target::{KINDS, Target};
use crate::backend::Backend;
use crate::child::in_child;
use crate::differential::judge;
use crate::harness::Suite;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("attach_differential");
    SCENES.iter().fold(suite, |suite, scene| {
        suite.test(scene.name, move || compare(scene))
    })
}

/// The cases, as the list of the differences that are meant names them.
pub(crate) fn cases() -> impl Iterator<Item = String> {
    SCENES.iter().flat_map(|scene| {
        let requests = (scene.requests)().into_iter();
        requests.map(|kinds| case(kinds, scene))
    })
}

fn case(kinds: Contexts, scene: &Scene) -> String {
    match kinds {
        KINDS => format!("attach all, {}", scene.name),
        kinds => format!("attach {kinds}, {}", scene.name),
    }
}

fn compare(scene: &Scene) -> Result<()> {
    let target = (scene.target)()?;
    for kinds in (scene.requests)() {
        let case = case(kinds, scene);
        let [syscall, ioctl] = [Backend::Syscall, Backend::Ioctl].map(|backend| {
            let outcome = in_child(|| outcome(scene, &target, kinds, backend));
            outcome.with_context(|| format!("{case}, {backend}"))
        });
        judge(&case, &syscall?, &ioctl?).context(case)?;
    }
    Ok(())
}

/// Makes the request one way and tells what came of it, point by point. The target is the same one
/// for both, and so are the numbers of what is taken from it.
fn outcome(scene: &Scene, target: &Target, kinds: Contexts, backend: Backend) -> Result<String> {
    let mut world = World::sharing(scene.shared)?;
    (scene.within)(&mut world, &mut |world| {
        let pidfd = (scene.pidfd)(target)?;
        let before = [world.snapshot()?, world.snapshot_of_sharer()?];
        let result = backend.attach(&world.device, pidfd.as_fd(), kinds);
        let after = [world.snapshot()?, world.snapshot_of_sharer()?];
        let mut text = match result {
            Ok(()) => "success".to_owned(),
            Err(errno) => errno.to_string(),
        };
        let mut moved = before[1].changed(&after[1]);
        moved.retain(|point| !point.starts_with("kcmp/"));
        write!(text, "\nof the sharer: {moved:?}")?;
        for point in before[0].changed(&after[0]) {
            write!(text, "\n{point}: {}", after[0].get(&point)?)?;
        }
        Ok(text)
    })
}
