// SPDX-License-Identifier: GPL-2.0-only

//! Many threads go there and back, and processes are killed meanwhile.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use rustix::process::{Signal, kill_process};
use unshare_device::Contexts;

use super::{ALL, Eye, Held};
use crate::check::ensure;
use crate::child::Child;
use crate::harness::Suite;
use crate::scale::{dice, limit, rounds};

pub(crate) fn suite() -> Suite {
    Suite::new("held_stress")
        .slow(
            "threads at once: each is in its own place at each moment",
            limit(),
            threads,
        )
        .slow(
            "killed at any instant: nobody is inside afterwards",
            limit(),
            killed,
        )
}

const MOST: Contexts = ALL.difference(Contexts::PID);

/// Goes to one of the contexts, and from there to another, and looks where it is each time.
fn wander(places: &[(Held, String)], eye: &Eye, times: usize, seed: usize) -> Result<()> {
    let before = eye.view()?;
    for round in seed..seed + times {
        let (held, uts) = &places[round % places.len()];
        let (inner, inner_uts) = &places[(round / 2 + seed) % places.len()];
        held.inside(|| {
            ensure!(eye.view()?.get("uts")? == uts);
            inner.inside(|| {
                ensure!(eye.view()?.get("uts")? == inner_uts);
                Ok(())
            })?;
            ensure!(eye.view()?.get("uts")? == uts);
            Ok(())
        })?;
        if round % 16 == 0 {
            before.ensure_same(&eye.view()?)?;
        }
    }
    before.ensure_same(&eye.view()?)
}

fn places() -> Result<Vec<(Held, String)>> {
    let place = |contexts| {
        let held = Held::new(contexts)?;
        let eye = Eye::new()?;
        let uts = held.inside(|| Ok(eye.view()?.get("uts")?.to_owned()))?;
        Ok((held, uts))
    };
    [
        Contexts::UTS,
        MOST,
        Contexts::UTS | Contexts::NET,
        Contexts::UTS | Contexts::MOUNT,
    ]
    .into_iter()
    .map(place)
    .collect()
}

fn threads() -> Result<()> {
    let places = places()?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|seed| {
                let places = &places;
                scope.spawn(move || wander(places, &Eye::new()?, rounds(150, 3000), seed))
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("a thread panicked"))
    })?;
    for (held, _) in &places {
        ensure!(held.threads()? == 0);
    }
    Ok(())
}

fn killed() -> Result<()> {
    let places = places()?;
    let mut dice = dice("held_killed");
    for _ in 0..rounds(60, 1000) {
        let child = Child::spawn(|| {
            thread::scope(|scope| {
                for seed in 0..2 {
                    let places = &places;
                    scope.spawn(move || wander(places, &Eye::new()?, usize::MAX / 2, seed));
                }
            });
            Ok(String::new())
        })?;
        thread::sleep(Duration::from_micros(dice.u64(0..20_000)));
        kill_process(child.pid, Signal::KILL)?;
        child.killed(Duration::from_secs(20))?;
        for (held, _) in &places {
            ensure!(held.threads()? == 0);
        }
    }
    // The contexts are as good as new.
    wander(&places, &Eye::new()?, 16, 0)
}
