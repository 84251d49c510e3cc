// SPDX-License-Identifier: GPL-2.0-only

//! The same request by setns(2) and by the ioctl has the same errno and the same effect.

use std::fmt::Write;
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use rustix::io::Errno;
use unshare_device::Contexts;

use super::scenes::{SCENES, Scene};
use super::target::{KINDS, Target};
use crate::backend::Backend;
use crate::child::in_child;
use crate::differential::judge;
use crate::harness::Suite;
use crate::oracle::Snapshot;
use crate::scale::some;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("attach_differential");
    SCENES
        .iter()
        .fold(suite, |suite, scene| {
            suite.test(format!("{}: as setns(2)", scene.name), move || {
                compare(scene)
            })
        })
        .by_lot(12)
}

/// The cases, by the names in the list of intended differences.
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

/// Both ways have the same target, so namespace numbers are the same, too.
fn compare(scene: &Scene) -> Result<()> {
    let requests = some(scene.name, 2, (scene.requests)());
    let target = (scene.target)()?;
    let syscall = outcomes(scene, &target, &requests, Backend::Syscall)?;
    let ioctl = outcomes(scene, &target, &requests, Backend::Ioctl)?;
    for (kinds, (syscall, ioctl)) in requests.into_iter().zip(syscall.iter().zip(&ioctl)) {
        let case = case(kinds, scene);
        judge(&case, syscall, ioctl).context(case)?;
    }
    Ok(())
}

/// Makes each request one way, and returns the outcomes.
fn outcomes(
    scene: &Scene,
    target: &Target,
    requests: &[Contexts],
    backend: Backend,
) -> Result<Vec<String>> {
    let mut told = Vec::new();
    while told.len() < requests.len() {
        let more = in_child(|| up_to_success(scene, target, backend, &requests[told.len()..]));
        let more = more.with_context(|| format!("from {}, {backend}", requests[told.len()]))?;
        told.extend(more.split(END).map(str::to_owned));
    }
    Ok(told)
}

/// Separates two outcomes.
const END: &str = "\n\n";

/// A refused caller has not changed and makes the next request. The first success ends it.
fn up_to_success(
    scene: &Scene,
    target: &Target,
    backend: Backend,
    requests: &[Contexts],
) -> Result<String> {
    let mut world = World::sharing(scene.shared)?;
    (scene.within)(&mut world, &mut |world| {
        let pidfd = (scene.pidfd)(target)?;
        let look = || anyhow::Ok([world.snapshot()?, world.snapshot_of_sharer()?]);
        let mut told = Vec::new();
        let mut before = look()?;
        for &kinds in requests {
            let result = backend.attach(&world.device, pidfd.as_fd(), kinds);
            let after = look()?;
            told.push(describe(result, &before, &after)?);
            if result.is_ok() {
                break;
            }
            before = after;
        }
        Ok(told.join(END))
    })
}

/// Describes the outcome of a request, point by point, for the caller and its sharer.
fn describe(
    result: Result<(), Errno>,
    before: &[Snapshot; 2],
    after: &[Snapshot; 2],
) -> Result<String> {
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
}
