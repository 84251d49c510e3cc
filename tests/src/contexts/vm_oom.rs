// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM` and the OOM killer, which ends every task that shares its victim's memory. After the
//! commit, the caller and the sharer no longer die together.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::mm::MapFlags;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, set_child_subreaper};

use super::vm::{VM, leave, unshare_vm};
use crate::cgroup::Cgroup;
use crate::check::ensure;
use crate::child::{Child, wait_end};
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Mapping};
use crate::memory::{mark_all, marked, unmarked};
use crate::sharer::Sharer;
use crate::world::World;

const SOON: Duration = Duration::from_secs(20);

pub(crate) fn suite() -> Suite {
    Suite::new("vm_oom")
        .test(
            "without a request, the OOM killer kills the sharer with the victim",
            both_die,
        )
        .test(
            "the OOM killer kills the sharer, and the caller lives on",
            victim_stays,
        )
        .test(
            "the OOM killer kills the caller, and the sharer lives on",
            victim_leaves,
        )
}

/// A cgroup whose limit is too low for [`too_much`].
fn narrow() -> Result<Cgroup> {
    let group = Cgroup::new("vm-oom", "memory")?;
    group.set("memory.max", "16M")?;
    let _ = group.set("memory.swap.max", "0");
    Ok(group)
}

fn add(group: &Cgroup, task: Pid) -> Result<()> {
    group.add(task.as_raw_nonzero().get())
}

/// A [`Question`](crate::sharer::Question): touches 32 MiB.
fn too_much(_: &str) -> Result<String> {
    std::mem::forget(marked(32 << 8, 1, MapFlags::PRIVATE)?);
    Ok(String::new())
}

fn ensure_kills(group: &Cgroup, kills: u64) -> Result<()> {
    let killed = group.number("memory.events", "oom_kill")?;
    ensure!(killed == kills, "{killed} kills because of the cgroup");
    Ok(())
}

/// The sharer is outside of the cgroup: it dies only because of the shared memory.
fn both_die() -> Result<()> {
    const BEGIN: u32 = 1;
    // The victim's sharer becomes a child of this task, which reaps it.
    set_child_subreaper(Some(getpid()))?;
    let group = narrow()?;
    let mailbox = Mailbox::new()?;
    let page = mailbox.page();
    let victim = Child::spawn(|| {
        let sharer = Sharer::new(VM)?;
        // The maker of the memory is charged for what is touched.
        add(&group, getpid())?;
        page.word
            .store(sharer.pid.as_raw_nonzero().get().try_into()?, Relaxed);
        page.wait(&[BEGIN], SOON);
        too_much("")
    })?;
    let sharer = loop {
        if let Some(pid) = Pid::from_raw(page.word.load(Relaxed).try_into()?) {
            break pidfd_open(pid, PidfdFlags::empty())?;
        }
        std::thread::yield_now();
    };
    page.post(BEGIN, "");
    wait_end(&sharer, SOON).context("the sharer")?;
    victim.killed(SOON)?;
    ensure_kills(&group, 1)
}

/// Makes the sharer the victim. It shares nothing any more, and this task keeps all of its memory.
fn sharer_dies(group: &Cgroup, memory: &Mapping, sharer: Sharer) -> Result<()> {
    mark_all(memory, 5);
    add(group, sharer.pid)?;
    sharer.begin(too_much, "");
    let end = sharer.end(SOON)?;
    ensure!(
        end.terminating_signal() == Some(Signal::KILL.as_raw()),
        "{end:?}"
    );
    ensure_kills(group, 1)?;
    ensure!(unmarked(memory, 5) == 0);
    mark_all(memory, 6);
    ensure!(unmarked(memory, 6) == 0);
    Ok(())
}

fn victim_stays() -> Result<()> {
    let group = narrow()?;
    let memory = marked(256, 1, MapFlags::PRIVATE)?;
    let world = World::sharing(VM)?;
    leave(&world)?;
    sharer_dies(&group, &memory, world.sharer)
}

fn victim_leaves() -> Result<()> {
    let group = narrow()?;
    let memory = marked(256, 1, MapFlags::PRIVATE)?;
    let sharer = Sharer::new(VM)?;
    ensure!(sharer.ask(unshare_vm, "")? == VM.to_string());
    sharer_dies(&group, &memory, sharer)
}
