// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: a copy that is made and dropped leaves nothing behind.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::mm::MapFlags;

use super::vm::VM;
use super::vm_child_tid::{SOON, promise_at};
use crate::attach::moving::look_into;
use crate::check::ensure;
use crate::child::Child;
use crate::device::{Device, unshare};
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Mapping};
use crate::memory::{PAGE, name};
use crate::sharer::Sharer;
use crate::userfaultfd::{self, Userfaultfd};

const REGISTERED: u32 = 1;
const COPYING: u32 = 2;
const GONE: u32 = 3;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_dropped").test(
        "a copy that outlives its failed request does not point to the task",
        forgets_task,
    )
}

/// A [`Question`](crate::sharer::Question): sets `clear_child_tid` to the address `arg`, and leaves
/// while another task looks into this one.
fn try_to_leave(arg: &str) -> Result<String> {
    promise_at(std::ptr::without_provenance_mut(arg.parse()?));
    let reply = Device::open()?.commit(unshare(VM));
    ensure!(reply.errno == Some(Errno::BUSY), "{reply:?}");
    Ok(String::new())
}

/// Fills two pages of the copy from memory whose first page is missing until the task has ended.
/// Meanwhile the copy is in use; afterwards the kernel finds, through the copy's owner, the memory
/// cgroup to charge for the second page.
fn fill(watcher: &Userfaultfd, memory: &Mapping, mailbox: &Mailbox) -> Result<String> {
    let slow = Userfaultfd::new(0)?;
    let source = Mapping::new(memory.len(), MapFlags::PRIVATE)?;
    slow.register_first(&source, PAGE)?;
    let page = mailbox.page();
    let answerer = Child::spawn(|| {
        let address = slow.fault()?;
        page.post(COPYING, "");
        ensure!(page.wait(&[GONE], SOON).is_some(), "the task does not go");
        slow.answer(address, 1)?;
        Ok(String::new())
    })?;
    page.wait(&[REGISTERED], SOON).context("no copy")?;
    let copy = watcher.forked()?;
    copy.fill(memory, source.start())?;
    answerer.report(SOON)
}

fn forgets_task() -> Result<()> {
    let (watcher, gate) = (Userfaultfd::new(userfaultfd::FORKS)?, Userfaultfd::new(0)?);
    let [memory, word] = [2 * PAGE, PAGE].map(|len| Mapping::new(len, MapFlags::PRIVATE));
    let (memory, word) = (memory?, word?);
    let mailbox = Mailbox::new()?;
    let page = mailbox.page();
    // Made before the memory is watched, because the watch reports each fork.
    let sharer = Sharer::new(VM)?;
    let reader = look_into(sharer.pid)?;
    let server = Child::spawn(|| fill(&watcher, &memory, &mailbox))?;
    watcher.register(&memory)?;
    gate.register(&word)?;
    page.post(REGISTERED, "");
    sharer.begin(try_to_leave, &name(word.start()));
    page.wait(&[COPYING], SOON).context("nobody copies")?;
    gate.answer(gate.fault()?, 0)?;
    sharer.answer()?;
    reader.stop()?;
    drop(sharer);
    // A reaped task takes a moment to be freed.
    sleep(Duration::from_secs(1));
    page.post(GONE, "");
    server.report(SOON).map(drop)
}
