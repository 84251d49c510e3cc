// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: many tasks share one address space, and all leave it at the same time.

use std::thread::yield_now;

use anyhow::{Context, Result};
use rustix::mm::MapFlags;

use super::vm::{SIGHAND, VM};
use crate::barrier::{Barrier, meet};
use crate::check::ensure;
use crate::device::{Device, unshare};
use crate::harness::Suite;
use crate::memory::{PAGE, marked, name, peek, read, unmarked, write};
use crate::scale::{limit, rounds};
use crate::sharer::Sharer;
use crate::slab::leaves_nothing;
use crate::tally::{Tried, tried};

const CROWD: usize = 16;
const PAGES: usize = 64;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_crowd").slow(
        "many tasks that leave one address space get a copy each, and no memory is leaked",
        limit(),
        all_at_once,
    )
}

/// A [`Question`](crate::sharer::Question): when all tasks are ready, leaves and writes its mark to
/// the pages. `arg`: the mark, the address of the pages, and the address of the barrier.
fn leave_with_others(arg: &str) -> Result<String> {
    // Until the copy, all tasks share heap and thread-local storage: nothing here allocates.
    let mut words = arg.split(' ').map(str::parse::<usize>);
    let mut number = || Ok::<_, anyhow::Error>(words.next().context("too few numbers")??);
    let (mark, pages, barrier) = (number()? as u64, number()?, number()?);
    let device = Device::open()?;
    // SAFETY: The asker has it until all have answered.
    unsafe { meet(barrier, CROWD.try_into()?) };
    let reply = device.commit(unshare(VM));
    ensure!(
        reply.errno.is_none() && reply.replaced == VM | SIGHAND,
        "{reply:?}"
    );
    let at = |page: usize| std::ptr::without_provenance_mut(pages + page * PAGE);
    (0..PAGES).for_each(|page| write(at(page), mark));
    yield_now();
    let foreign = (0..PAGES).filter(|&page| read(at(page)) != mark).count();
    ensure!(foreign == 0, "{foreign} pages are not its own");
    Ok(String::new())
}

fn round() -> Result<()> {
    tried(Tried::Race);
    let pages = marked(PAGES, 77, MapFlags::PRIVATE)?;
    let barrier = Barrier::new()?;
    let place = barrier.name();
    let sharers = (0..CROWD)
        .map(|_| Sharer::new(VM | SIGHAND))
        .collect::<Result<Vec<_>>>()?;
    let mark = |number| 1000 + number;
    let args: Vec<_> = (0..CROWD)
        .map(|number| format!("{} {} {place}", mark(number), name(pages.start())))
        .collect();
    // From the first question to the last answer, this task does not touch the heap either: a copy
    // that is made meanwhile would have the heap in its current state.
    for (sharer, arg) in sharers.iter().zip(&args) {
        sharer.begin(leave_with_others, arg);
    }
    for sharer in &sharers {
        sharer.wait();
    }
    for (number, sharer) in sharers.iter().enumerate() {
        sharer.answer()?;
        let found = sharer.ask(peek, &name(pages.start()))?;
        ensure!(found == mark(number).to_string(), "{found} at {number}");
    }
    ensure!(
        unmarked(&pages, 77) == 0,
        "somebody wrote to the caller's memory"
    );
    Ok(())
}

fn all_at_once() -> Result<()> {
    let times = rounds(6, 300);
    // Half of the number if each task left one behind.
    leaves_nothing(times, times * CROWD / 2, round)
}
