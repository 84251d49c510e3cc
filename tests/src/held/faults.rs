// SPDX-License-Identifier: GPL-2.0-only

//! Each allocation of HOLD and of ENTER fails once, and nothing has changed. LEAVE has none.

use anyhow::{Context, Result};
use rustix::io::Errno;
use unshare_device::Contexts;

use super::{ALL, Eye, Held, try_hold};
use crate::backend::syscall;
use crate::check::ensure;
use crate::child::in_child;
use crate::device::{Device, unshare};
use crate::harness::Suite;
use crate::injection::{FAIL_NTH, Injection};
use crate::module::Unloaded;
use crate::scale::limit;
use crate::tally::{Tried, tried};

pub(crate) fn suite() -> Suite {
    Suite::new("held_faults")
        .needs(FAIL_NTH)
        .slow("ENTER by the process that made it", limit(), || {
            enter_fails(ALL, Who::Maker)
        })
        .slow(
            "ENTER by a thread with namespaces of its own",
            limit(),
            || enter_fails(Contexts::NET, Who::Own),
        )
        .slow("ENTER by another process", limit(), || {
            enter_fails(ALL, Who::Other)
        })
        .slow("HOLD, the first one after loading", limit(), hold_fails)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Maker,
    Own,
    Other,
}

fn enter_fails(contexts: Contexts, who: Who) -> Result<()> {
    let _settings = Injection::settings()?;
    let held = Held::new(contexts)?;
    if who == Who::Own {
        syscall(Contexts::UTS)?;
    }
    let body = || {
        let failed = each_enter_fails(&held)?;
        let least = match who {
            Who::Maker | Who::Own => 2,
            Who::Other => 3,
        };
        ensure!(failed >= least, "{failed} times it failed");
        Ok(String::new())
    };
    match who {
        Who::Other => in_child(body).map(drop),
        _ => body().map(drop),
    }
}

/// Returns how often ENTER failed.
fn each_enter_fails(held: &Held) -> Result<usize> {
    let injection = Injection::of_this_thread()?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    let (mut nth, mut failed, mut without) = (1, 0, 0);
    for _ in 0..100 {
        injection.arm(nth)?;
        let entered = held.enter();
        let left = injection.disarm()?;
        if entered.is_ok() && left == "0" {
            // ENTER did without this allocation. If a cache has got a new slab by that, the number is that of
            // another chance the next time; if not, the kernel can always do without it.
            held.leave()?;
            without += 1;
            if without == 3 {
                (nth, without) = (nth + 1, 0);
            }
            continue;
        }
        if entered.is_ok() {
            // There are fewer chances than that. LEAVE has none at all.
            injection.arm(1)?;
            let left = held.leave();
            let pending = injection.disarm()?;
            left?;
            ensure!(pending != "0", "LEAVE had a chance to fail");
            before.ensure_same(&eye.view()?)?;
            ensure!(held.threads()? == 0);
            return Ok(failed);
        }
        tried(Tried::Fault);
        (nth, failed, without) = (nth + 1, failed + 1, 0);
        ensure!(
            entered == Err(Errno::NOMEM) && left == "0",
            "number {nth}: {entered:?}, {left} left"
        );
        before.ensure_same(&eye.view()?)?;
        ensure!(held.leave() == Err(Errno::INVAL));
        ensure!(held.threads()? == 0);
    }
    crate::check::bail!("ENTER has no end of chances to fail")
}

fn hold_fails() -> Result<()> {
    // So that the probes are registered anew.
    drop(Unloaded::new()?);
    let _settings = Injection::settings()?;
    let device = Device::open()?;
    let injection = Injection::of_this_thread()?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    let next = std::fs::File::open("/dev/null")?;
    // A network takes hundreds.
    let contexts = ALL.difference(Contexts::NET);
    let mut failed = 0;
    for nth in 1..400 {
        injection.arm(nth)?;
        let (held, reply) = try_hold(&device, unshare(contexts));
        let left = injection.disarm()?;
        if let Some(held) = held {
            if left == "0" {
                // It did without.
                continue;
            }
            ensure!(failed > 10, "{failed} times it failed");
            held.inside(|| Ok(())).context("the held context")?;
            before.ensure_same(&eye.view()?)?;
            drop(next);
            return Ok(());
        }
        tried(Tried::Fault);
        failed += 1;
        ensure!(left == "0", "number {nth}: {reply:?}, {left} left");
        before.ensure_same(&eye.view()?)?;
    }
    crate::check::bail!("HOLD has no end of chances to fail")
}
