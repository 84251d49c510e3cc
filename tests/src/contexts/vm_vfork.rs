// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM` of a vfork child: its parent wakes when the child leaves.

use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use super::vm::VM;
use super::vm_request::most_of_memory;
use crate::check::ensure;
use crate::child::Child;
use crate::device::{DRY_RUN, Device, unshare};
use crate::harness::Suite;
use crate::machine::Setting;
use crate::mailbox::Mailbox;
use crate::vfork::vfork;

const SOON: Duration = Duration::from_secs(20);

pub(crate) fn suite() -> Suite {
    Suite::new("vm_vfork")
        .test(
            "the parent of a vfork child sleeps until the commit and then runs",
            vfork_wakes,
        )
        .test(
            "the parent wakes after the whole request is done",
            vfork_finds_all,
        )
        .test("a failed request does not wake the parent", vfork_sleeps_on)
        .test("a dry run does not wake the parent", vfork_dry)
}

const LEFT: u32 = 1;

/// In a vfork child: runs `before`, leaves, and waits until the parent has seen it.
fn child_that_leaves(
    mailbox: &Mailbox,
    more: Contexts,
    before: impl FnOnce(&Device) -> Result<()>,
) -> Result<Child> {
    let device = Device::open()?;
    let page = mailbox.page();
    vfork(VM | more, || {
        before(&device)?;
        page.word.fetch_add(1, Relaxed);
        let reply = device.commit(unshare(VM | more));
        ensure!(reply.errno.is_none(), "{reply:?}");
        ensure!(page.wait(&[LEFT], SOON).is_some(), "the parent sleeps on");
        Ok(String::new())
    })
}

fn vfork_wakes() -> Result<()> {
    let mailbox = Mailbox::new()?;
    let child = child_that_leaves(&mailbox, Contexts::empty(), |_| {
        sleep(Duration::from_millis(200));
        Ok(())
    })?;
    ensure!(mailbox.page().word.load(Relaxed) == 1, "woken too early");
    mailbox.page().post(LEFT, "");
    child.report(SOON).map(drop)
}

fn vfork_finds_all() -> Result<()> {
    let shared = Contexts::FS | Contexts::FILES | Contexts::SIGHAND;
    for _ in 0..50 {
        let mailbox = Mailbox::new()?;
        let child = child_that_leaves(&mailbox, shared, |_| Ok(()))?;
        let still = Device::open()?.shared()? & (shared | VM);
        mailbox.page().post(LEFT, "");
        child.report(SOON)?;
        ensure!(still.is_empty(), "woken while it still shared {still}");
    }
    Ok(())
}

/// One fault before the copy, and one in it.
fn vfork_sleeps_on() -> Result<()> {
    let mailbox = Mailbox::new()?;
    let _large = most_of_memory()?;
    let limit = Setting::sysctl("user/max_uts_namespaces", "0")?;
    let strict = Setting::sysctl("vm/overcommit_memory", "2")?;
    let child = child_that_leaves(&mailbox, Contexts::empty(), |device| {
        let reply = device.commit(unshare(VM | Contexts::UTS));
        ensure!(reply.errno == Some(Errno::NOSPC), "{reply:?}");
        let reply = device.commit(unshare(VM));
        ensure!(reply.errno == Some(Errno::NOMEM), "{reply:?}");
        sleep(Duration::from_millis(200));
        strict.put_back()
    })?;
    drop(limit);
    ensure!(
        mailbox.page().word.load(Relaxed) == 1,
        "woken by the failure"
    );
    mailbox.page().post(LEFT, "");
    child.report(SOON).map(drop)
}

fn vfork_dry() -> Result<()> {
    let mailbox = Mailbox::new()?;
    let child = child_that_leaves(&mailbox, Contexts::empty(), |device| {
        let mut dry = unshare(VM);
        dry.options = DRY_RUN;
        let reply = device.commit(dry);
        ensure!(reply.replaced == VM, "{reply:?}");
        sleep(Duration::from_millis(200));
        Ok(())
    })?;
    ensure!(
        mailbox.page().word.load(Relaxed) == 1,
        "woken by the dry run"
    );
    mailbox.page().post(LEFT, "");
    child.report(SOON).map(drop)
}
