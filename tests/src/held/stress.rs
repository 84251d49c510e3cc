// SPDX-License-Identifier: GPL-2.0-only

//! Many threads go there and back at once.

use std::sync::Barrier;
use std::thread;

use anyhow::Result;
use unshare_device::Contexts;

use super::{Eye, Held, MOST};
use crate::check::ensure;
use crate::harness::Suite;
use crate::scale::{limit, rounds};

pub(crate) fn suite() -> Suite {
    Suite::new("held_stress")
        .test("many threads at once, each counted once", many_threads)
        .slow(
            "threads at once: each is in its own place at each moment",
            limit(),
            threads,
        )
}

/// Goes to one of the contexts, and from there to another, and looks where it is each time.
pub(super) fn wander(
    places: &[(Held, String)],
    eye: &Eye,
    times: usize,
    seed: usize,
) -> Result<()> {
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

pub(super) fn places() -> Result<Vec<(Held, String)>> {
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

fn many_threads() -> Result<()> {
    const THREADS: usize = 8;
    let held = Held::new(Contexts::NET | Contexts::MOUNT)?;
    let other = Held::new(Contexts::UTS)?;
    let [entered, counted] = [(); 2].map(|()| Barrier::new(THREADS + 1));
    let stay = || {
        let eye = Eye::new()?;
        let before = eye.view()?;
        // A thread that has entered this context twice, and another one, counts once.
        let outcome = held.inside(|| {
            other.inside(|| {
                held.inside(|| {
                    entered.wait();
                    counted.wait();
                    Ok(())
                })
            })
        });
        before.ensure_same(&eye.view()?)?;
        outcome
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(stay)).collect();
        entered.wait();
        let counts = [held.threads(), other.threads()];
        counted.wait();
        for thread in threads {
            thread.join().expect("a thread panicked")?;
        }
        for count in counts {
            ensure!(count? == THREADS);
        }
        ensure!(held.threads()? == 0);
        Ok(())
    })
}
