// SPDX-License-Identifier: GPL-2.0-only

//! The module stays loaded as long as a descriptor holds a context or a thread is inside, and not longer.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socketpair,
};
use unshare_device::Contexts;

use super::{ALL, Held, leave_last, try_hold};
use crate::check::ensure;
use crate::child::in_child;
use crate::device::{Device, HOLD, unshare};
use crate::harness::Suite;
use crate::kmsg::KernelLog;
use crate::machine::Setting;
use crate::module::{Unloaded, load, unload, users};
use crate::scale::{limit, rounds};
use crate::tools::unshare_run::says_hold;

pub(crate) fn suite() -> Suite {
    Suite::new("held_lifetime")
        .test(
            "the module stays while a descriptor holds a context",
            held_open,
        )
        .test("the module stays while a thread is inside", inside)
        .test(
            "the module goes after threads have ended inside",
            ended_inside,
        )
        .test(
            "a kernel without the tracepoints does not offer HOLD, and says so",
            not_offered,
        )
        .slow(
            "a descriptor in flight in its own network goes",
            limit(),
            in_flight,
        )
}

/// The kernel's word for a module that has users.
const IN_USE: Result<(), Errno> = Err(Errno::WOULDBLOCK);

fn held_open() -> Result<()> {
    let held = Held::new(ALL)?;
    ensure!(users()? == 1, "{} users", users()?);
    ensure!(unload() == IN_USE);
    drop(held);
    drop(Unloaded::new()?);
    Ok(())
}

fn inside() -> Result<()> {
    let held = Held::new(Contexts::NET | Contexts::FS)?;
    held.enter()?;
    drop(held);
    ensure!(users()? == 1, "{} users", users()?);
    ensure!(unload() == IN_USE);
    leave_last(&Device::open()?)?;
    ensure!(users()? == 0, "{} users", users()?);
    drop(Unloaded::new()?);
    Ok(())
}

fn ended_inside() -> Result<()> {
    for _ in 0..rounds(3, 30) {
        in_child(|| {
            let held = Held::new(Contexts::NET | Contexts::FS)?;
            let die = || held.enter();
            for _ in 0..4 {
                thread::scope(|scope| scope.spawn(die).join().expect("the thread panicked"))?;
            }
            held.enter()?;
            Ok(String::new())
        })?;
        drop(Unloaded::new()?);
    }
    Ok(())
}

/// Made with UNSHARE_HIDE=__tracepoint_sched_process_exit.
fn not_offered() -> Result<()> {
    let all = Device::open()?.query()?;
    let _back = Unloaded::new()?;
    let mut log = KernelLog::from_now()?;
    load("unshare-untraced", "")?.context("finit_module")?;
    let mut lines = log.lines()?;
    // KUnit, where the kernel has it, logs something of its own.
    lines.retain(|line| line.starts_with("unshare: "));
    ensure!(lines.len() == 1, "not one line: {lines:#?}");
    let line = &lines[0];
    ensure!(
        line.contains("__tracepoint_sched_process_exit") && line.contains("holding"),
        "{line}"
    );
    let device = Device::open()?;
    let now = device.query()?;
    let hold = u64::from(HOLD);
    ensure!(
        now.options == all.options & !hold && now.contexts == all.contexts,
        "{now:?}"
    );
    says_hold(false)?;
    let (held, reply) = try_hold(&device, unshare(Contexts::NET));
    ensure!(held.is_none() && reply.errno == Some(Errno::INVAL) && reply.failed.is_empty());
    ensure!(leave_last(&device) == Err(Errno::INVAL));
    Ok(())
}

fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    socketpair(family, kind, SocketFlags::CLOEXEC, None)
}

/// A network that is kept alive still counts for its user.
fn in_flight() -> Result<()> {
    let _limit = Setting::sysctl("user/max_net_namespaces", "12")?;
    let device = Device::open()?;
    for round in 0..rounds(20, 100) {
        let until = Instant::now() + Duration::from_secs(20);
        let held = loop {
            match try_hold(&device, unshare(Contexts::NET)) {
                (Some(held), _) => break held,
                (None, reply) => ensure!(Instant::now() < until, "round {round}: {reply:?}"),
            }
            // A socket that is released wakes the collector. That, and what frees a network, are workers.
            drop(pair()?);
            thread::sleep(Duration::from_millis(50));
        };
        held.inside(|| {
            let (a, b) = pair()?;
            let fds = [held.as_fd(), a.as_fd(), b.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            ensure!(control.push(SendAncillaryMessage::ScmRights(&fds)));
            sendmsg(&a, &[IoSlice::new(b"x")], &mut control, SendFlags::empty())?;
            Ok(())
        })?;
    }
    // The last ones, too: only the device is open then.
    let until = Instant::now() + Duration::from_secs(20);
    while users()? > 1 {
        ensure!(Instant::now() < until, "{} users", users()?);
        drop(pair()?);
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
