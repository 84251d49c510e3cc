// SPDX-License-Identifier: GPL-2.0-only

//! Which tasks may attach to what, and which context a refusal names.

use std::fs;
use std::os::fd::AsFd;
use std::thread::{park, yield_now};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, set_no_new_privs};
use unshare_device::Contexts;

use super::kinds::taken;
use super::parties::{nested_pid, of_user, without};
use super::target::{ATTACHABLE, KINDS, Target, attach, own_pidfd};
use crate::backend::Backend;
use crate::check::ensure;
use crate::child::{Child, in_child};
use crate::conditions::{become_user, with_thread};
use crate::device::Device;
use crate::everything::SHARED;
use crate::harness::Suite;
use crate::mailbox::Mailbox;
use crate::world::World;

const NONE: Contexts = Contexts::empty();
const USER: Contexts = Contexts::USER;

pub(crate) fn suite() -> Suite {
    Suite::new("attach_permissions")
        .test("another user's task: EPERM, no context", others_task)
        .test(
            "a task that the caller may not trace: EPERM, no context",
            not_dumpable,
        )
        .test("each kind without privilege: EPERM, that kind", each_named)
        .test(
            "several kinds without privilege: EPERM, the first in the order of setns(2)",
            first_of_many,
        )
        .test(
            "the caller's own user namespace: EINVAL, CLONE_NEWUSER",
            own_user,
        )
        .test(
            "an ancestor's PID namespace: EINVAL, CLONE_NEWPID",
            ancestor,
        )
        .test(
            "CLONE_NEWUSER with threads: EINVAL, CLONE_THREAD",
            threads_user,
        )
        .test(
            "CLONE_NEWTIME with threads: EUSERS, CLONE_NEWTIME",
            threads_time,
        )
        .test(
            "CLONE_NEWTIME after the first thread has ended: as setns(2)",
            first_thread_ended,
        )
        .test(
            "no_new_privs stays set and does not forbid attaching",
            no_new_privs,
        )
}

fn others_task() -> Result<()> {
    let target = Target::new(KINDS)?;
    let world = World::sharing(SHARED)?;
    become_user(1000)?;
    for kind in KINDS.each().chain([KINDS]) {
        world.refuses(target.attach_and(kind, SHARED), Errno::PERM, NONE)?;
    }
    world.refuses(target.attach(Contexts::FS), Errno::ACCESS, Contexts::FS)
}

/// A [`Question`](crate::sharer::Question): makes the task accessible to root only.
fn hide(_: &str) -> Result<String> {
    become_user(1000)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(String::new())
}

fn not_dumpable() -> Result<()> {
    let target = Target::new(Contexts::UTS)?;
    target.ask(hide, "")?;
    let world = World::sharing(SHARED)?;
    in_child(|| {
        become_user(1000)?;
        let reply = world.device.commit(target.attach(Contexts::UTS));
        let (errno, failed) = (reply.errno, reply.failed);
        ensure!(errno == Some(Errno::PERM) && failed == NONE, "{reply:?}");
        Ok(String::new())
    })?;
    without(CapabilitySet::SYS_PTRACE)?;
    world.refuses(target.attach(Contexts::UTS), Errno::PERM, NONE)
}

fn each_named() -> Result<()> {
    let target = of_user()?;
    let world = World::sharing(SHARED)?;
    become_user(1000)?;
    for kind in KINDS.difference(USER).each() {
        world.refuses(target.attach_and(kind, SHARED), Errno::PERM, kind)?;
    }
    Ok(())
}

fn first_of_many() -> Result<()> {
    use Contexts as C;
    let order = [C::MOUNT, C::UTS, C::IPC, C::PID, C::CGROUP, C::NET, C::TIME];
    let target = of_user()?;
    let world = World::sharing(SHARED)?;
    become_user(1000)?;
    for (place, &first) in order.iter().enumerate() {
        let asked = order[place..].iter().fold(NONE, |all, &kind| all | kind);
        world.refuses(target.attach_and(asked, SHARED), Errno::PERM, first)?;
    }
    Ok(())
}

fn own_user() -> Result<()> {
    let target = Target::new(Contexts::UTS)?;
    let world = World::sharing(SHARED)?;
    for pidfd in [own_pidfd()?, target.pidfd()?] {
        world.refuses(attach(&pidfd, USER, SHARED), Errno::INVAL, USER)?;
        world.refuses(attach(&pidfd, KINDS, SHARED), Errno::INVAL, USER)?;
    }
    Ok(())
}

fn ancestor() -> Result<()> {
    let target = Target::new(Contexts::UTS)?;
    nested_pid(&mut World::sharing(SHARED)?, &mut |world| {
        let request = target.attach(Contexts::PID | Contexts::UTS);
        world.refuses(request, Errno::INVAL, Contexts::PID)?;
        Ok(String::new())
    })
    .map(drop)
}

fn refused_with_threads(kind: Contexts, errno: Errno, failed: Contexts) -> Result<()> {
    let target = Target::new(kind)?;
    with_thread(&mut World::sharing(SHARED)?, &mut |world| {
        world.refuses(target.attach_and(kind, SHARED), errno, failed)?;
        Ok(String::new())
    })
    .map(drop)
}

fn threads_user() -> Result<()> {
    refused_with_threads(USER, Errno::INVAL, Contexts::THREAD)
}

fn threads_time() -> Result<()> {
    refused_with_threads(Contexts::TIME, Errno::USERS, Contexts::TIME)
}

fn no_new_privs() -> Result<()> {
    let target = Target::new(KINDS)?;
    let world = World::alone()?;
    set_no_new_privs(true)?;
    let before = world.snapshot()?;
    taken(&world, target.attach(ATTACHABLE), ATTACHABLE)?;
    let after = world.snapshot()?;
    for point in ["NoNewPrivs", "Seccomp"] {
        ensure!(after.get(point)? == before.get(point)?, "{point}");
    }
    ensure!(after.get("NoNewPrivs")? == "1");
    Ok(())
}

fn first_thread_ended() -> Result<()> {
    let target = Target::new(Contexts::TIME)?;
    let [syscall, ioctl] =
        [Backend::Syscall, Backend::Ioctl].map(|backend| by_last_thread(&target, backend));
    let (syscall, ioctl) = (syscall?, ioctl?);
    ensure!(syscall == ioctl, "setns(2): {syscall}, ioctl: {ioctl}");
    ensure!(syscall == "Ok(())", "{syscall}");
    Ok(())
}

/// The outcome for the only remaining thread of a process.
fn by_last_thread(target: &Target, backend: Backend) -> Result<String> {
    const TOLD: u32 = 1;
    let pidfd = target.pidfd()?;
    let mailbox = Mailbox::new()?;
    let page = mailbox.page();
    let _caller = Child::spawn(|| {
        let device = Device::open()?;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let ended = || -> Result<bool> {
                    let status = fs::read_to_string("/proc/self/status")?;
                    Ok(status.contains("State:\tZ"))
                };
                while !matches!(ended(), Ok(true)) {
                    yield_now();
                }
                let told = backend.attach(&device, pidfd.as_fd(), Contexts::TIME);
                page.post(TOLD, &format!("{told:?}"));
                loop {
                    park();
                }
            });
            // SAFETY: The other thread uses nothing of this one.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        });
        Ok(String::new())
    })?;
    page.wait(&[TOLD], Duration::from_secs(20))
        .context("no outcome was reported")?;
    Ok(page.text())
}
