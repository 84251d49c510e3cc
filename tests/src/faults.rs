// SPDX-License-Identifier: GPL-2.0-only

//! Each allocation that a request makes, and each copy from or to user space, fails once: the request
//! fails, and nothing has changed; or it does without.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};
use unshare_device::Contexts;

use crate::atomicity::{all, all_and_close};
use crate::attach::target::{ATTACHABLE, KINDS, Target};
use crate::child::in_child;
use crate::device::{Args, DRY_RUN, close_range, unshare};
use crate::everything::{PROCESS, SHARED, pairs, singles};
use crate::harness::Suite;
use crate::machine::Setting;
use crate::scale::limit;
use crate::world::World;

/// Of this task's chances to fail, which one does: `Documentation/fault-injection/fault-injection.rst`.
const FAIL_NTH: &str = "/proc/thread-self/fail-nth";

pub(crate) fn suite() -> Suite {
    let requests = singles().into_iter().chain(pairs());
    let suite = requests.fold(Suite::new("faults").needs(FAIL_NTH), |suite, bits| {
        suite.slow(bits.to_string(), limit(), move || {
            each_fails(PROCESS, || unshare(bits))
        })
    });
    suite
        .slow("all together", limit(), || {
            each_fails(PROCESS, || unshare(all()))
        })
        .slow("all together, and all descriptors closed", limit(), || {
            each_fails(PROCESS, all_and_close)
        })
        .slow("all together, as a dry run", limit(), || {
            each_fails(PROCESS, || Args {
                options: DRY_RUN,
                ..unshare(all())
            })
        })
        .slow("CLONE_FILES, and some descriptors closed", limit(), || {
            each_fails(PROCESS, || close_range(Contexts::FILES, 1, 2))
        })
        .slow("attach all", limit(), || {
            attach_fails(Contexts::empty(), SHARED)
        })
        .slow("attach all, and unshare what is shared", limit(), || {
            attach_fails(SHARED, SHARED)
        })
        .slow("attach all, and unshare all together", limit(), || {
            attach_fails(all(), PROCESS)
        })
        .by_lot(5)
}

fn attach_fails(contexts: Contexts, shared: Contexts) -> Result<()> {
    let target = Target::new(KINDS)?;
    each_fails(shared, || target.attach_and(ATTACHABLE, contexts))
}

/// Has the first chance fail, then the second, and so on until the request has no more of them. The
/// caller shares `shared`.
fn each_fails(shared: Contexts, request: impl Fn() -> Args) -> Result<()> {
    let _settings = [
        // Also those that could wait for memory: all of ours can.
        ("failslab/ignore-gfp-wait", "N"),
        ("fail_page_alloc/ignore-gfp-wait", "N"),
        ("fail_page_alloc/min-order", "0"),
        ("failslab/verbose", "0"),
        ("fail_page_alloc/verbose", "0"),
        ("fail_usercopy/verbose", "0"),
    ]
    .into_iter()
    .map(|(name, value)| Setting::new(format!("/sys/kernel/debug/{name}"), value))
    .collect::<Result<Vec<_>>>()?;
    let (mut tried, mut survived) = (0, 0);
    loop {
        // Until a request succeeds: after that it takes a new caller.
        let end = in_child(|| up_to_success(shared, &request, tried + 1))?;
        let (number, left) = end.split_once(' ').context("no number")?;
        tried = number.parse::<usize>()?;
        if left != "0" {
            break;
        }
        survived += 1;
    }
    // The last one found nothing to fail.
    tried -= 1;
    eprintln!("faults: {tried} tried, {survived} of which the request did without");
    // Each new context takes at least one allocation that matters, and the request one copy.
    let contexts = Contexts::from_bits_retain(request().unshare & !Contexts::THREAD.bits());
    ensure!(
        tried - survived > contexts.each().count(),
        "{tried} chances to fail, {survived} of which do not matter"
    );
    Ok(())
}

/// Has the request fail at chance `first`, and at each after it, until it succeeds nevertheless. Gives
/// the number of that one, and what is left of it: 0 if there were so many chances.
fn up_to_success(shared: Contexts, request: impl Fn() -> Args, first: usize) -> Result<String> {
    let world = World::sharing(shared)?;
    let file = File::options().read(true).write(true).open(FAIL_NTH)?;
    let before = [world.snapshot()?, world.snapshot_of_sharer()?];
    for nth in first.. {
        file.write_at(nth.to_string().as_bytes(), 0)?;
        let reply = world.device.commit(request());
        let mut left = [0; 16];
        // Where the failure is still to come, it may be this read's, or that of the write.
        let read = file.read_at(&mut left, 0);
        while file.write_at(b"0", 0).is_err() {}
        if reply.errno.is_none() {
            let left = read.map_or("pending".into(), |len| {
                String::from_utf8_lossy(&left[..len])
            });
            return Ok(format!("{nth} {}", left.trim()));
        }
        let same = before[0].ensure_same(&world.snapshot()?);
        same.and_then(|()| before[1].ensure_same(&world.snapshot_of_sharer()?))
            .with_context(|| format!("number {nth} failed: {reply:?}"))?;
    }
    unreachable!("there are numbers enough");
}
