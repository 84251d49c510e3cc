// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: breakpoints that another task has set in the program.

use std::ffi::CString;
use std::fs;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::mm::MapFlags;
use rustix::process::getpid;

use super::vm::{VM, leave};
use super::vm_child_tid::{SOON, promise_at};
use crate::check::ensure;
use crate::child::{Child, skip};
use crate::device::{Device, Reply, unshare};
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Mapping};
use crate::memory::PAGE;
use crate::perf::Attributes;
use crate::userfaultfd::Userfaultfd;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_uprobes")
        .test("a uprobe hits also in the copy", hits)
        .test(
            "a uprobe that is set after the request hits also in the copy",
            hits_later,
        )
        .test(
            "a uprobe that is set during the request hits also in the copy",
            hits_meanwhile,
        )
        .test(
            "inside a function with a uretprobe: EBUSY, CLONE_VM",
            pending_return,
        )
        .test(
            "after a function with a uretprobe has returned: success",
            after_return,
        )
}

/// The probed function. Its body keeps the compiler from merging it with another function.
#[inline(never)]
fn probed(device: Option<&Device>) -> Option<Reply> {
    std::hint::black_box(device).map(|device| device.commit(unshare(VM)))
}

/// An event that counts how often this task calls [`probed`], or returns from it.
fn probe(returns: bool) -> Result<OwnedFd> {
    let this_task = 0;
    probe_of(this_task, returns)
}

/// The same for another task that runs this program.
fn probe_of(task: i32, returns: bool) -> Result<OwnedFd> {
    const UPROBE: &str = "/sys/bus/event_source/devices/uprobe/type";
    let Ok(kind) = fs::read_to_string(UPROBE) else {
        return skip("this kernel has no uprobes");
    };
    let path = CString::new("/proc/self/exe")?;
    let mut attributes = Attributes {
        kind: kind.trim().parse()?,
        config: returns.into(),
        ..Attributes::default()
    };
    attributes.rest[1] = path.as_ptr().addr() as u64;
    attributes.rest[2] = offset_in_file(probed as *const () as u64)?;
    // SAFETY: The path is there.
    unsafe { attributes.open_for(task) }
}

/// Returns the offset in its file of the code at an address.
fn offset_in_file(address: u64) -> Result<u64> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let offset = maps.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (start, end) = words.next()?.split_once('-')?;
        let [start, end] = [start, end].map(|n| u64::from_str_radix(n, 16).unwrap_or(0));
        let offset = u64::from_str_radix(words.nth(1)?, 16).ok()?;
        (start..end)
            .contains(&address)
            .then(|| address - start + offset)
    });
    offset.context("the code is not mapped")
}

fn count(event: &OwnedFd) -> Result<u64> {
    let mut bytes = [0; 8];
    rustix::io::read(event, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn hits() -> Result<()> {
    let event = probe(false)?;
    let world = World::sharing(VM)?;
    probed(None);
    ensure!(count(&event)? == 1, "{} hits before", count(&event)?);
    leave(&world)?;
    probed(None);
    ensure!(count(&event)? == 2, "{} hits after", count(&event)?);
    // No task traces the sharer: it has no breakpoint, or the breakpoint does not harm it.
    world
        .sharer
        .ask(|_| Ok(format!("{:?}", probed(None).is_none())), "")?;
    ensure!(count(&event)? == 2);
    Ok(())
}

fn hits_later() -> Result<()> {
    let world = World::sharing(VM)?;
    leave(&world)?;
    let event = probe(false)?;
    probed(None);
    ensure!(count(&event)? == 1);
    // Its breakpoint is removed as well, and does not trap.
    drop(event);
    probed(None);
    Ok(())
}

/// Sets the probe after the copy was made and before the task runs in it: meanwhile the task waits
/// for a page.
fn hits_meanwhile() -> Result<()> {
    const READY: u32 = 1;
    const PROBED: u32 = 2;
    let watcher = Userfaultfd::new(0)?;
    let word = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    let (caller, mailbox) = (getpid().as_raw_nonzero().get(), Mailbox::new()?);
    let page = mailbox.page();
    let server = Child::spawn(|| {
        page.wait(&[READY], SOON).context("not ready")?;
        let address = watcher.fault()?;
        let event = probe_of(caller, false)?;
        watcher.answer(address, 1)?;
        page.wait(&[PROBED], SOON).context("it does not leave")?;
        Ok(count(&event)?.to_string())
    })?;
    watcher.register(&word)?;
    promise_at(word.start());
    page.post(READY, "");
    let world = World::sharing(VM)?;
    leave(&world)?;
    probed(None);
    probed(None);
    page.post(PROBED, "");
    let hits = server.report(SOON)?;
    ensure!(hits == "2", "{hits} hits of 2");
    Ok(())
}

fn pending_return() -> Result<()> {
    let event = probe(true)?;
    let world = World::sharing(VM)?;
    let before = world.snapshot()?;
    let reply = probed(Some(&world.device)).context("no reply")?;
    ensure!(
        reply.errno == Some(Errno::BUSY) && reply.failed == VM,
        "{reply:?}"
    );
    ensure!(reply.replaced.is_empty(), "{reply:?}");
    before.ensure_same(&world.snapshot()?)?;
    ensure!(count(&event)? == 1, "{} returns", count(&event)?);
    Ok(())
}

fn after_return() -> Result<()> {
    let event = probe(true)?;
    let world = World::sharing(VM)?;
    probed(None);
    leave(&world)?;
    probed(None);
    ensure!(count(&event)? == 2, "{} returns", count(&event)?);
    Ok(())
}
