// SPDX-License-Identifier: GPL-2.0-only

//! Everything that the module reads of other tasks and changes of its caller, as often as a few
//! tasks can: the race detector watches one place for a moment, and must see another task access
//! it.

use std::fs;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use unshare_device::Contexts;

use crate::attach::target::{ATTACHABLE, attach};
use crate::check::{bail, ensure};
use crate::child::Child;
use crate::device::{COMMIT, Device, ioctl, unshare};
use crate::dry_run::dry;
use crate::everything::{PROCESS, SHARED, all_at_once};
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Page};
use crate::scale::{is_watched, limit, rounds};
use crate::sharer::Sharer;
use crate::tally::{Tried, tried};

pub(crate) fn suite() -> Suite {
    Suite::new("contention").slow(
        "two tasks leave each other's contexts while a third queries and attaches to them",
        limit(),
        all_at_it,
    )
}

fn all_at_it() -> Result<()> {
    let mailbox = Mailbox::new()?;
    let page = mailbox.page();
    let changer = Child::spawn(|| change(page))?;
    let observer = Child::spawn(|| look(changer.pid, page))?;
    changer.report(limit())?;
    observer.stop()
}

/// Shares everything with a task and unshares it again, until other tasks have looked often enough.
fn change(page: &Page) -> Result<String> {
    let device = Device::open()?;
    // Creating namespaces takes longer than everything else.
    let [often, seldom] = [PROCESS, PROCESS | all_at_once()]
        .map(|contexts| format!("{} {}", device.number(), contexts.bits()));
    let times = rounds(if is_watched() { 1000 } else { 40 }, 20_000);
    let mut round = 0;
    while round < times || page.word.load(Relaxed) < times {
        round += 1;
        tried(Tried::Race);
        let sharer = Sharer::new(PROCESS)?;
        sharer.begin(leave, if round % 8 == 0 { &seldom } else { &often });
        // Until the other task has its own memory, nothing here allocates.
        let reply = device.commit(unshare(SHARED | Contexts::UTS));
        sharer.answer()?;
        ensure!(reply.errno.is_none(), "{reply:?}");
    }
    Ok(String::new())
}

/// A [`Question`](crate::sharer::Question): unshares contexts. `arg`: the device's descriptor, and
/// the bits.
fn leave(arg: &str) -> Result<String> {
    let (device, bits) = arg.split_once(' ').context("two numbers")?;
    let mut args = unshare(Contexts::from_bits_retain(bits.parse()?));
    match ioctl(device.parse()?, COMMIT, (&raw mut args).cast()) {
        None => Ok(String::new()),
        Some(errno) => bail!(errno),
    }
}

/// Queries what it shares, and dry-runs attaching to the task and to its child.
fn look(task: Pid, page: &Page) -> Result<String> {
    let device = Device::open()?;
    let kinds = ATTACHABLE.difference(Contexts::USER | Contexts::TIME);
    let children = format!(
        "/proc/{task}/task/{task}/children",
        task = task.as_raw_nonzero()
    );
    loop {
        device.shared()?;
        page.word.fetch_add(1, Relaxed);
        // A reaped task has no such file.
        let child = fs::read_to_string(&children).unwrap_or_default();
        let child = child.trim().parse().ok();
        for task in [Some(task), child.and_then(Pid::from_raw)]
            .into_iter()
            .flatten()
        {
            let Ok(pidfd) = pidfd_open(task, PidfdFlags::empty()) else {
                continue;
            };
            let reply = device.commit(dry(attach(&pidfd, kinds, Contexts::empty())));
            ensure!(
                reply.errno.is_none_or(|errno| errno == Errno::SRCH),
                "{reply:?}"
            );
        }
    }
}
