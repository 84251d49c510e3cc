// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM` of memory that is swapped out.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::mm::{Advice, MapFlags, madvise};
use rustix::process::{Pid, getpid};

use super::vm::{VM, leave};
use crate::check::{bail, ensure};
use crate::child::Child;
use crate::device::unshare;
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Mapping, Page};
use crate::memory::{PAGE, bytes, marked, name, read, write};
use crate::scale::{dice, limit, rounds};
use crate::sharer::Sharer;
use crate::swap::Swap;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_swap")
        .test(
            "with swapped pages, caller and sharer read and write their own, also after swapoff(2)",
            swapoff,
        )
        .slow(
            "during swapoff(2), caller and sharer get their own pages",
            limit(),
            during_swapoff,
        )
}

const SOON: Duration = Duration::from_secs(20);

/// Half of the disk: other tests may swap at the same time.
const PAGES: usize = 512;

/// Asks the kernel to swap the pages out. Returns how much of this process is swapped out.
fn page_out(memory: &Mapping) -> Result<u64> {
    // SAFETY: The contents of the memory stay.
    unsafe { madvise(memory.start(), memory.len(), Advice::LinuxPageOut)? };
    swapped(getpid())
}

fn swapped(task: Pid) -> Result<u64> {
    bytes(&format!("/proc/{}/status", task.as_raw_nonzero()), "VmSwap")
}

/// A quarter of the pages may be in use; more than the rest must be swapped out.
const MOST: u64 = (PAGES * PAGE / 4 * 3) as u64;

/// Swaps out most of the pages. Pages that the kernel has not scanned yet need several attempts.
fn page_out_most(memory: &Mapping) -> Result<()> {
    for _ in 0..200 {
        if page_out(memory)? >= MOST {
            return Ok(());
        }
        sleep(Duration::from_millis(50));
    }
    bail!("only {} bytes are swapped out", swapped(getpid())?)
}

/// The value that a side with its own copy expects in each page: it writes to every fourth one.
fn expected(page: usize, mark: u64) -> u64 {
    if page % 4 == 0 {
        mark + page as u64
    } else {
        1 + page as u64
    }
}

/// The address of the pages, and the mark of the side.
fn parse(arg: &str) -> Result<(usize, u64)> {
    let (address, mark) = arg.split_once(' ').context("address and mark, please")?;
    Ok((address.parse()?, mark.parse()?))
}

/// A [`Question`](crate::sharer::Question): writes to every fourth page.
fn write_some(arg: &str) -> Result<String> {
    let (address, mark) = parse(arg)?;
    for page in (0..PAGES).step_by(4) {
        let page_address = std::ptr::without_provenance_mut(address + page * PAGE);
        write(page_address, expected(page, mark));
    }
    Ok(String::new())
}

/// A [`Question`](crate::sharer::Question): fails unless this side's pages have the expected
/// values. If `arg` ends with "half", it looks only at the first half, and the other half stays
/// swapped out.
fn ensure_whole(arg: &str) -> Result<String> {
    let (arg, pages) = match arg.strip_suffix(" half") {
        Some(arg) => (arg, PAGES / 2),
        None => (arg, PAGES),
    };
    let (address, mark) = parse(arg)?;
    for page in 0..pages {
        let found = read(std::ptr::without_provenance(address + page * PAGE));
        ensure!(
            found == expected(page, mark),
            "page {page} begins with {found}"
        );
    }
    Ok(String::new())
}

fn swapoff() -> Result<()> {
    Swap::make()?;
    let swap = Swap::on()?;
    let memory = marked(PAGES, 1, MapFlags::PRIVATE)?;
    page_out_most(&memory)?;
    let world = World::sharing(VM)?;
    leave(&world)?;
    let tasks = [getpid(), world.sharer.pid];
    for task in tasks {
        let swapped = swapped(task)?;
        ensure!(swapped >= MOST, "{task:?}: {swapped} bytes are swapped out");
    }

    let [mine, its] = [1000, 2000].map(|mark| format!("{} {mark}", name(memory.start())));
    write_some(&mine)?;
    world.sharer.ask(write_some, &its)?;
    ensure_whole(&format!("{mine} half"))?;
    world.sharer.ask(ensure_whole, &format!("{its} half"))?;
    for task in tasks {
        ensure!(
            swapped(task)? > 0,
            "{task:?}: nothing is left for swapoff to do"
        );
    }

    swap.off()?;
    for task in tasks {
        ensure!(
            swapped(task)? == 0,
            "{task:?}: {} bytes are still swapped out",
            swapped(task)?
        );
    }
    ensure_whole(&mine)?;
    world.sharer.ask(ensure_whole, &its).map(drop)
}

const ON: u32 = 1;
const IN_USE: u32 = 2;
const STOP: u32 = 3;

/// Again and again, adds swap space and removes it as soon as it is used.
fn on_and_off(page: &Page) -> Result<String> {
    loop {
        let swap = Swap::on()?;
        page.post(ON, "");
        let told = page.wait(&[IN_USE, STOP], SOON);
        swap.off()?;
        match told {
            Some(IN_USE) => {}
            Some(_) => return Ok(String::new()),
            None => bail!("nobody swaps"),
        }
    }
}

fn during_swapoff() -> Result<()> {
    Swap::make()?;
    let world = World::alone()?;
    let mailbox = Mailbox::new()?;
    let page = mailbox.page();
    let switch = Child::spawn(|| on_and_off(page))?;
    // No other address space has these pages, because shared pages are not swapped out.
    let memory = marked(PAGES, 1, MapFlags::PRIVATE)?;
    let mut dice = dice("leaving during swapoff");
    let [mine, its] = [1, 2000].map(|mark| format!("{} {mark}", name(memory.start())));
    for _ in 0..rounds(20, 1000) {
        let sharer = Sharer::new(VM)?;
        ensure!(page.wait(&[ON], SOON).is_some(), "there is no swap");
        page_out_most(&memory)?;
        page.post(IN_USE, "");
        sleep(Duration::from_micros(dice.u64(..5_000)));
        let reply = world.device.commit(unshare(VM));
        world.ensure_replaced(reply, VM)?;
        sharer.ask(write_some, &its)?;
        sharer.ask(ensure_whole, &its)?;
        ensure_whole(&mine)?;
    }
    ensure!(page.wait(&[ON], SOON).is_some(), "there is no swap");
    page.post(STOP, "");
    switch.report(SOON).map(drop)
}
