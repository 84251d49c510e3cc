// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`, very often, and by many at once. `--full` is the proof, the rest a reminder.

use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::mm::MapFlags;
use rustix::process::{Signal, kill_process};
use unshare_device::Contexts;

use super::vm::{SIGHAND, VM};
use super::vm_request::reader;
use crate::child::Child;
use crate::device::{Device, unshare};
use crate::harness::Suite;
use crate::mailbox::Mailbox;
use crate::memory::{mark_all, marked, name, peek, read, unmarked, write};
use crate::scale::{Dice, limit, rounds};
use crate::sharer::Sharer;
use crate::vfork::vfork;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("vm_stress");
    [
        (
            "vfork, ioctl, exit: nothing is left over",
            many as fn() -> Result<()>,
        ),
        ("with 64 MiB of dirty memory", dirty),
        ("16 sharers leave at the same moment", all_at_once),
        ("killed at any moment: nothing is left over", killed),
        ("ended by exit_group in the middle of it", exits),
    ]
    .into_iter()
    .fold(suite, |suite, (name, body)| suite.slow(name, limit(), body))
}

const CACHES: [&str; 3] = ["mm_struct", "sighand_cache", "vm_area_struct"];

/// How many of each structure are in use, or as good as.
fn slabs() -> Result<Vec<i64>> {
    // What waits for a grace period goes; so does what /proc readers hold.
    sleep(Duration::from_millis(500));
    for cache in CACHES {
        let _ = fs::write(format!("/sys/kernel/slab/{cache}/shrink"), "1");
    }
    let text = fs::read_to_string("/proc/slabinfo")?;
    let count = |cache: &str| -> Result<i64> {
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(cache));
        let line = line.with_context(|| format!("no {cache} in /proc/slabinfo"))?;
        Ok(line
            .split_whitespace()
            .nth(1)
            .context("no count")?
            .parse()?)
    };
    CACHES.into_iter().map(count).collect()
}

/// Does something that makes `made` of each structure, and fails if many of them are left over.
fn flat(made: usize, body: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = slabs()?;
    body()?;
    let after = slabs()?;
    eprintln!("{CACHES:?}: {before:?} before, {after:?} after {made}");
    for (cache, (before, after)) in CACHES.iter().zip(before.iter().zip(&after)) {
        // What the CPUs keep at hand counts as in use.
        let most = i64::try_from(made)? / 2;
        ensure!(
            after - before < most.max(200),
            "{cache}: {before} became {after}"
        );
    }
    Ok(())
}

fn many() -> Result<()> {
    let page = marked(1, 1, MapFlags::PRIVATE)?;
    let device = Device::open()?;
    let _readers = [reader()?, reader()?];
    let wanted = rounds(600, 10_000);
    flat(wanted, || {
        for round in 0..wanted {
            let more = [Contexts::empty(), SIGHAND][round % 2];
            let child = vfork(VM | more, || {
                let reply = device.commit(unshare(VM));
                ensure!(reply.replaced == VM | more, "{reply:?}");
                write(page.start(), 2);
                Ok(String::new())
            })?;
            child.report(Duration::from_secs(60))?;
            ensure!(read(page.start()) == 1, "round {round}: a child wrote here");
        }
        Ok(())
    })
}

fn dirty() -> Result<()> {
    let pages = marked(16384, 1, MapFlags::PRIVATE)?;
    let device = Device::open()?;
    let wanted = rounds(4, 1000);
    flat(wanted, || {
        for round in 0..wanted as u64 {
            mark_all(&pages, round);
            let child = vfork(VM, || {
                let reply = device.commit(unshare(VM));
                ensure!(reply.replaced == VM, "{reply:?}");
                ensure!(unmarked(&pages, round) == 0, "pages are lost");
                // Each page is copied now.
                mark_all(&pages, round + 1_000_000);
                ensure!(unmarked(&pages, round + 1_000_000) == 0);
                Ok(String::new())
            })?;
            ensure!(
                unmarked(&pages, round) == 0,
                "the copy is not the child's own"
            );
            child.report(Duration::from_secs(120))?;
            ensure!(unmarked(&pages, round) == 0);
        }
        Ok(())
    })
}

const SHARERS: usize = 16;

/// A [`Question`](crate::sharer::Question): when all are there, leaves, and puts a mark of its own on
/// the pages. `arg`: own number, address of the pages, address of the counter that all share.
fn leave_with_others(arg: &str) -> Result<String> {
    let words = arg
        .split(' ')
        .map(str::parse)
        .collect::<Result<Vec<usize>, _>>()?;
    let [number, pages, counter] = words[..] else {
        anyhow::bail!("three numbers, please");
    };
    let counter: *const std::sync::atomic::AtomicUsize = std::ptr::without_provenance(counter);
    // SAFETY: The asker has it mapped, shared, until all have answered.
    let counter = unsafe { &*counter };
    let device = Device::open()?;
    counter.fetch_add(1, Relaxed);
    while counter.load(Relaxed) < SHARERS {
        std::hint::spin_loop();
    }
    let reply = device.commit(unshare(VM));
    ensure!(reply.errno.is_none(), "{reply:?}");
    let at = |page: usize| std::ptr::without_provenance_mut(pages + page * 4096);
    (0..64).for_each(|page| write(at(page), number as u64));
    std::thread::yield_now();
    let foreign = (0..64)
        .filter(|&page| read(at(page)) != number as u64)
        .count();
    ensure!(
        foreign == 0 || reply.replaced.is_empty(),
        "{foreign} pages are not its own"
    );
    Ok(reply.replaced.to_string())
}

fn all_at_once() -> Result<()> {
    let wanted = rounds(5, 300);
    let pages = marked(64, 77, MapFlags::PRIVATE)?;
    flat(wanted * SHARERS, || {
        for _ in 0..wanted {
            let mailbox = Mailbox::new()?;
            let counter = (&raw const mailbox.page().word).addr();
            let sharers = (0..SHARERS)
                .map(|_| Sharer::new(VM | SIGHAND))
                .collect::<Result<Vec<_>>>()?;
            for (number, sharer) in sharers.iter().enumerate() {
                let arg = format!("{} {} {counter}", number + 1000, pages.start().addr());
                sharer.begin(leave_with_others, &arg);
            }
            for sharer in &sharers {
                let replaced = sharer.answer()?;
                ensure!(replaced == (VM | SIGHAND).to_string(), "{replaced}");
            }
            for (number, sharer) in sharers.iter().enumerate() {
                let mark = sharer.ask(peek, &name(pages.start()))?;
                ensure!(mark == (number + 1000).to_string(), "{mark} at {number}");
            }
            ensure!(
                unmarked(&pages, 77) == 0,
                "somebody wrote to the caller's memory"
            );
        }
        Ok(())
    })
}

/// A task that has another one leave its memory all the time.
fn busy(page: &crate::mailbox::Page) -> Result<String> {
    let device = Device::open()?;
    loop {
        let _sharer = Sharer::new(VM | SIGHAND)?;
        let reply = device.commit(unshare(VM | Contexts::FILES));
        ensure!(reply.errno.is_none(), "{reply:?}");
        page.word.fetch_add(1, Relaxed);
    }
}

fn killed() -> Result<()> {
    let mut dice = Dice::new("killed");
    let mailbox = Mailbox::new()?;
    let wanted = rounds(60, 2000);
    let _reader = reader()?;
    flat(wanted, || {
        for _ in 0..wanted {
            let before = mailbox.page().word.load(Relaxed);
            let victim = Child::spawn(|| busy(mailbox.page()))?;
            let start = Instant::now();
            while mailbox.page().word.load(Relaxed) == before {
                ensure!(start.elapsed() < Duration::from_secs(20), "it never starts");
                std::thread::yield_now();
            }
            sleep(Duration::from_micros(dice.below(20_000)));
            kill_process(victim.pid, Signal::KILL)?;
            let _ = victim.report(Duration::from_secs(20));
        }
        Ok(())
    })
}

/// The other thread of a process ends it while the first would leave: threads cannot, but the
/// request gets as far as that.
fn exits() -> Result<()> {
    let mut dice = Dice::new("exits");
    let wanted = rounds(60, 1000);
    flat(wanted, || {
        for _ in 0..wanted {
            let delay = Duration::from_micros(dice.below(5_000));
            let child = Child::spawn(|| {
                let device = Device::open()?;
                let _sharer = Sharer::new(VM | SIGHAND)?;
                std::thread::spawn(move || {
                    sleep(delay);
                    // SAFETY: Always sound.
                    unsafe { libc::_exit(0) }
                });
                loop {
                    device.commit(unshare(VM | Contexts::FILES));
                }
            })?;
            let _ = child.report(Duration::from_secs(20));
        }
        Ok(())
    })
}
