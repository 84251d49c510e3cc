// SPDX-License-Identifier: GPL-2.0-only

//! Loading and unloading: a module that is in use stays, and an unloaded one leaves nothing behind.

use std::fs;
use std::os::fd::IntoRawFd;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::system::uname;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::child::{Child, in_child};
use crate::device::{Device, close_range, unshare};
use crate::everything::{SHARED, all_at_once};
use crate::harness::Suite;
use crate::kmsg::KernelLog;
use crate::machine::{OneProcessor, Setting};
use crate::mailbox::Mailbox;
use crate::module::{Unloaded, is_loaded, load, unload, users};
use crate::scale::{limit, rounds};
use crate::slab::{Slabs, leaves_nothing};
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("lifetime")
        .test("an open descriptor prevents unloading", in_use)
        .test(
            "a descriptor of another process prevents unloading",
            in_use_elsewhere,
        )
        .test(
            "a descriptor that its own request closed does not prevent unloading",
            closed_itself,
        )
        .slow(
            "failed requests leak nothing",
            limit(),
            failures_leave_nothing,
        )
        .slow(
            "successful requests leak nothing",
            limit(),
            successes_leave_nothing,
        )
        .slow(
            "loading and unloading many times leaks nothing",
            limit(),
            again_and_again,
        )
        .slow(
            "opening the device during unloading works or fails cleanly",
            limit(),
            race,
        )
        .test(
            "on an untested series the module does not load, and the log says why",
            untested,
        )
        .test(
            "on an untested series the module loads with untested=1",
            untested_override,
        )
        .test(
            "without kallsyms_lookup_name the module does not load, and the log says why",
            hidden,
        )
        .test(
            "without dup_fd the module offers the other contexts, and the log says why",
            partial,
        )
        .test("the loaded module has the version of Cargo.toml", version)
}

/// The errno for a module that is in use.
const IN_USE: Result<(), Errno> = Err(Errno::WOULDBLOCK);

fn in_use() -> Result<()> {
    let device = Device::open()?;
    ensure!(users()? == 1, "{} users", users()?);
    ensure!(unload() == IN_USE);
    ensure!(device.query().is_ok());
    drop(device);
    ensure!(users()? == 0, "{} users", users()?);
    drop(Unloaded::new()?);
    ensure!(Device::open().is_ok());
    Ok(())
}

fn in_use_elsewhere() -> Result<()> {
    let world = World::alone()?;
    let World { device, sharer, .. } = world;
    // The sharer was made after the device was opened, and has a copy of the table.
    drop(device);
    ensure!(unload() == IN_USE);
    drop(sharer);
    drop(Unloaded::new()?);
    Ok(())
}

fn closed_itself() -> Result<()> {
    for shared in [Contexts::FILES, Contexts::empty()] {
        let world = World::sharing(shared)?;
        let reply = world
            .device
            .commit(close_range(Contexts::FILES, 0, u32::MAX));
        ensure!(reply.errno.is_none(), "{reply:?}");
        let World { device, sharer, .. } = world;
        let _closed = device.into_raw_fd();
        drop(sharer);
        ensure!(users()? == 0, "{} users", users()?);
        drop(Unloaded::new()?);
    }
    Ok(())
}

fn again_and_again() -> Result<()> {
    let _back = Unloaded::new()?;
    let _one = OneProcessor::new()?;
    let round = || -> Result<()> {
        load("unshare", "")?.context("finit_module")?;
        unload().context("delete_module")
    };
    let times = rounds(100, 1000);
    // Allocations that only the first rounds make do not count.
    (0..times / 10).try_for_each(|_| round())?;
    let before = Slabs::count()?;
    (times / 10..times).try_for_each(|_| round())?;
    before.ensure_flat(times / 2)
}

fn failures_leave_nothing() -> Result<()> {
    let times = rounds(40, 1000);
    let world = World::sharing(SHARED)?;
    // The last step that a test can make fail.
    let _limit = Setting::sysctl("user/max_time_namespaces", "0")?;
    leaves_nothing(times, times, || {
        let reply = world.device.commit(unshare(all_at_once()));
        ensure!(reply.failed == Contexts::TIME, "{reply:?}");
        Ok(())
    })
}

fn successes_leave_nothing() -> Result<()> {
    let times = rounds(40, 1000);
    leaves_nothing(times, times, || {
        let all = || {
            let world = World::sharing(SHARED)?;
            let reply = world.device.commit(close_range(all_at_once(), 0, u32::MAX));
            ensure!(reply.errno.is_none(), "{reply:?}");
            Ok(String::new())
        };
        in_child(all).map(drop)
    })
}

/// One task opens the device, uses it and closes it; another one unloads the module; both many
/// times.
fn race() -> Result<()> {
    const ENOUGH: usize = 10;
    let mailbox = Mailbox::new()?;
    let opened = &mailbox.page().word;
    let user = Child::spawn(|| {
        while opened.load(Relaxed) < ENOUGH {
            // While the module is unloaded, the node is missing or has no device.
            if let Ok(device) = Device::open() {
                let reply = device.commit(unshare(Contexts::UTS));
                ensure!(reply.errno.is_none(), "{reply:?}");
                opened.fetch_add(1, Relaxed);
            }
        }
        Ok(String::new())
    })?;
    let mut unloaded = 0_u64;
    while unloaded < 10 || opened.load(Relaxed) < ENOUGH {
        match unload() {
            Ok(()) => {
                unloaded += 1;
                load("unshare", "")?.context("finit_module")?;
                sleep(Duration::from_millis(unloaded % 7));
            }
            error => ensure!(error == IN_USE, "{error:?}"),
        }
    }
    user.report(Duration::from_secs(10)).map(drop)
}

/// Loads a variant that must fail. Returns the one line that the kernel logs.
fn refused(variant: &str) -> Result<String> {
    let _back = Unloaded::new()?;
    let mut log = KernelLog::from_now()?;
    let loaded = load(variant, "")?;
    let lines = log.lines()?;
    ensure!(loaded.is_err() && !is_loaded(), "{variant} was loaded");
    ensure!(lines.len() == 1, "not one line: {lines:#?}");
    Ok(lines.concat())
}

fn untested() -> Result<()> {
    let line = refused("unshare-untested")?;
    let release = uname().release().to_str()?.to_owned();
    ensure!(
        line.starts_with("unshare: ") && line.contains(&release),
        "{line}"
    );
    Ok(())
}

fn untested_override() -> Result<()> {
    let _back = Unloaded::new()?;
    load("unshare-untested", "untested=1")?.context("finit_module")?;
    World::sharing(Contexts::FS)?.replaces(unshare(Contexts::FS), Contexts::FS, &["kcmp/fs"])
}

/// Built with UNSHARE_HIDE=kallsyms_lookup_name.
fn hidden() -> Result<()> {
    let line = refused("unshare-hidden")?;
    let named = line.starts_with("unshare: ") && line.contains("kallsyms_lookup_name");
    ensure!(named, "{line}");
    Ok(())
}

/// Built with UNSHARE_HIDE=dup_fd.
fn partial() -> Result<()> {
    const FILES: Contexts = Contexts::FILES;
    let all = Device::open()?.query()?;
    let _back = Unloaded::new()?;
    let mut log = KernelLog::from_now()?;
    load("unshare-partial", "")?.context("finit_module")?;
    let mut lines = log.lines()?;
    // On some kernels KUnit logs, too.
    lines.retain(|line| line.starts_with("unshare: "));
    ensure!(lines.len() == 1, "not one line: {lines:#?}");
    ensure!(
        lines[0].contains("dup_fd") && lines[0].contains("CLONE_FILES"),
        "{lines:?}"
    );

    let world = World::sharing(SHARED)?;
    let offered = world.device.query()?.contexts;
    ensure!(offered == all.contexts & !FILES.bits(), "{offered:#x}");
    world.refuses(unshare(FILES), Errno::INVAL, FILES)?;
    world.refuses(unshare(all_at_once()), Errno::INVAL, FILES)?;
    world.replaces(unshare(Contexts::FS), Contexts::FS, &["kcmp/fs"])
}

fn version() -> Result<()> {
    let loaded = fs::read_to_string("/sys/module/unshare/version")?;
    ensure!(loaded.trim() == env!("CARGO_PKG_VERSION"), "{loaded}");
    Ok(())
}
