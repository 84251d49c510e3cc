// SPDX-License-Identifier: GPL-2.0-only

//! Each allocation of a request, and each of its copies from and to user space, fails once: the
//! request then fails and has changed nothing, or succeeds without it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use unshare_device::Contexts;

use crate::atomicity::all;
use crate::attach::effects::map;
use crate::attach::target::{ATTACHABLE, KINDS, Target};
use crate::check::ensure;
use crate::child::in_child;
use crate::device::{Args, CLOSE_RANGE, DRY_RUN, Reply, close_range, unshare};
use crate::everything::{PROCESS, SHARED, pairs, points, replaced, singles};
use crate::harness::Suite;
use crate::injection::{FAIL_NTH, Injection};
use crate::scale::{dice, limit, rounds};
use crate::tally::{Tried, tried};
use crate::world::World;

pub(crate) fn suite() -> Suite {
    let requests = singles().into_iter().chain(pairs());
    let suite = requests.fold(Suite::new("faults").needs(FAIL_NTH), |suite, bits| {
        suite.slow(
            format!("{bits}: a failed allocation changes nothing"),
            limit(),
            move || {
                // A network makes hundreds of allocations.
                let step = if bits.contains(Contexts::NET) {
                    sparse()
                } else {
                    1
                };
                each_fails(step, PROCESS, || unshare(bits))
            },
        )
    });
    suite
        .slow("all contexts: a failed allocation changes nothing", limit(), || {
            each_fails(sparse(), PROCESS, || unshare(all()))
        })
        .slow("all contexts with a close range: a failed allocation changes nothing", limit(), || {
            each_fails(sparse(), PROCESS, || close_range(all(), 0, 1))
        })
        .slow("all contexts, a dry run: a failed allocation changes nothing", limit(), || {
            each_fails(sparse(), PROCESS, || Args {
                options: DRY_RUN,
                ..unshare(all())
            })
        })
        .slow("CLONE_FILES with a close range: a failed allocation changes nothing", limit(), || {
            each_fails(1, PROCESS, || close_range(Contexts::FILES, 1, 2))
        })
        .slow("all kinds attached: a failed allocation changes nothing", limit(), || {
            attach_fails(1, Contexts::empty(), SHARED)
        })
        .slow("all kinds attached and all that a process shares unshared: a failed allocation changes nothing", limit(), || {
            attach_fails(1, SHARED, SHARED)
        })
        .slow("all kinds attached and all contexts unshared: a failed allocation changes nothing", limit(), || {
            // A task whose children are in another PID namespace cannot unshare that kind.
            attach_fails(sparse(), all().difference(Contexts::PID), PROCESS)
        })
        .by_lot(3)
}

fn attach_fails(step: usize, contexts: Contexts, shared: Contexts) -> Result<()> {
    let target = Target::new(KINDS)?;
    // Without a mapped ID there, the caller cannot make a user namespace below the target's.
    target.ask(map, "")?;
    each_fails(step, shared, || target.attach_and(ATTACHABLE, contexts))
}

/// The distance between the tried allocations of a request that makes hundreds. ([`rounds`] halves
/// this on a kernel with all checks, which every kernel with fault injection is.)
fn sparse() -> usize {
    rounds(8, 1)
}

/// Makes one allocation after the other fail, by `step`, until the request makes no more. The
/// caller shares `shared`.
pub(crate) fn each_fails(step: usize, shared: Contexts, request: impl Fn() -> Args) -> Result<()> {
    let _settings = Injection::settings()?;
    let (mut next, mut failed, mut survived) = (1 + dice("faults").usize(..step), 0, 0);
    loop {
        // Runs until a request succeeds, which uses the caller up.
        let end = in_child(|| up_to_success(shared, &request, (next..).step_by(step)))?;
        let (number, left) = end.split_once(' ').context("no number")?;
        let number = number.parse::<usize>()?;
        failed += (number - next) / step;
        next = number + step;
        if left != "0" {
            break;
        }
        survived += 1;
    }
    eprintln!("faults: {failed} times it failed, and {survived} times it did without");
    // Each new context needs an allocation that must not fail, and so does the answer.
    let contexts = Contexts::from_bits_retain(request().unshare).each().count();
    ensure!(
        failed * step > contexts,
        "{contexts} contexts, and it failed {failed} times"
    );
    Ok(())
}

/// Makes one allocation after the other fail until the request succeeds, and checks its effect.
/// Returns the number of that allocation, and the kernel's count of those left: 0 if it was
/// reached.
fn up_to_success(
    shared: Contexts,
    request: impl Fn() -> Args,
    chances: impl Iterator<Item = usize>,
) -> Result<String> {
    let world = World::sharing(shared)?;
    let injection = Injection::of_this_thread()?;
    let before = [world.snapshot()?, world.snapshot_of_sharer()?];
    for nth in chances {
        injection.arm(nth)?;
        let args = request();
        let reply = world.device.commit(args);
        let left = injection.disarm()?;
        if reply.errno.is_none() {
            ensure_whole(args, reply, shared, &before[0].changed(&world.snapshot()?))?;
            return Ok(format!("{nth} {left}"));
        }
        // Otherwise each number would fail, and there would be no last one.
        ensure!(
            left == "0",
            "nothing was made to fail, and it failed: {reply:?}"
        );
        tried(Tried::Fault);
        let same = before[0].ensure_same(&world.snapshot()?);
        same.and_then(|()| before[1].ensure_same(&world.snapshot_of_sharer()?))
            .with_context(|| format!("number {nth} failed: {reply:?}"))?;
    }
    unreachable!("there are numbers enough");
}

/// Checks that a successful request has its full effect, even if an allocation failed that it can
/// do without.
fn ensure_whole(
    args: Args,
    reply: Reply,
    shared: Contexts,
    changed: &BTreeSet<String>,
) -> Result<()> {
    // The tests of attaching check what was attached.
    if args.attach != 0 {
        return Ok(());
    }
    let replaced = replaced(shared, Contexts::from_bits_retain(args.unshare));
    World::ensure_reply(reply, replaced)?;
    let mut expected = match args.options & DRY_RUN {
        0 => points(replaced),
        _ => BTreeSet::new(),
    };
    if args.options & CLOSE_RANGE != 0 {
        expected.insert("fd".to_owned());
    }
    ensure!(
        *changed == expected,
        "changed are {changed:?}, not {expected:?}"
    );
    Ok(())
}
