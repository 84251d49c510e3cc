// SPDX-License-Identifier: GPL-2.0-only

//! Targets that change their context while a request attaches to them.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::mount::mount_move;
use rustix::process::{PidfdFlags, chroot, pidfd_open};
use unshare_device::Contexts;

use super::target::{Target, attach};
use crate::backend::Backend;
use crate::check::{bail, ensure};
use crate::child::{Child, in_child};
use crate::contexts::mount::{folder, mount_tmpfs, stage};
use crate::device::{Args, COMMIT, Device, ioctl, unshare};
use crate::harness::Suite;
use crate::questions::{hostname, set_hostname};
use crate::scale::{limit, rounds};
use crate::sharer::Sharer;
use crate::tally::{Tried, tried};

const FS: Contexts = Contexts::FS;
const UTS: Contexts = Contexts::UTS;
const MOUNT: Contexts = Contexts::MOUNT;
const NONE: Contexts = Contexts::empty();

pub(crate) fn suite() -> Suite {
    Suite::new("attach_following")
        .test(
            "two tasks that leave their address space attach to each other without deadlock",
            each_other,
        )
        .slow(
            "root and cwd that the target changes by one setns(2): both or none",
            limit(),
            both_or_none,
        )
        .slow(
            "root, cwd and host name that the target changes by one setns(2): all or none",
            limit(),
            all_or_none,
        )
}

fn each_other() -> Result<()> {
    let device = Device::open()?;
    for _ in 0..rounds(40, 4000) {
        tried(Tried::Race);
        // They use the descriptors by number.
        let shared = Contexts::VM | Contexts::FILES;
        let [one, other] = [Sharer::new(shared)?, Sharer::new(shared)?];
        let pidfds = [&one, &other].map(|task| pidfd_open(task.pid, PidfdFlags::empty()));
        let [to_one, to_other] = pidfds;
        let (to_one, to_other) = (to_one?, to_other?);
        for (task, target) in [(&one, &to_other), (&other, &to_one)] {
            let numbers = format!("{} {}", device.number(), target.as_raw_fd());
            task.begin(leave_and_attach, &numbers);
        }
        one.answer()?;
        other.answer()?;
    }
    Ok(())
}

/// A [`Question`](crate::sharer::Question) that allocates nothing.
fn leave_and_attach(numbers: &str) -> Result<String> {
    let Some((device, pidfd)) = numbers.split_once(' ') else {
        return Ok(String::new());
    };
    let mut args = Args {
        attach: (FS | UTS).bits(),
        pidfd: pidfd.parse()?,
        ..unshare(Contexts::VM)
    };
    match ioctl(device.parse()?, COMMIT, (&raw mut args).cast()) {
        // The other task may already have ended.
        None | Some(Errno::SRCH) => Ok(String::new()),
        Some(errno) => Err(errno.into()),
    }
}

fn both_or_none() -> Result<()> {
    follow(FS)
}

fn all_or_none() -> Result<()> {
    follow(FS | UTS)
}

/// Attaches to a task that moves back and forth between two mount namespaces, each with its own
/// host name.
fn follow(kinds: Contexts) -> Result<()> {
    stage()?;
    let homes = ["is1", "is2"].map(|name| -> Result<_> {
        let home = Target::new(MOUNT | UTS)?;
        home.ask(settle, name)?;
        Ok(home)
    });
    let [one, two] = homes;
    let homes = [one?, two?];
    let target = Child::spawn(|| {
        let device = Device::open()?;
        loop {
            for home in &homes {
                Backend::Syscall.attach(&device, home.as_fd(), MOUNT | UTS)?;
                // A task that did nothing else would be inside a call at every look.
                for turn in 0..3000 {
                    std::hint::black_box(turn);
                }
            }
        }
    })?;
    let pidfd = pidfd_open(target.pid, PidfdFlags::empty())?;
    // Waits until the task has been in one of them.
    std::thread::sleep(Duration::from_millis(100));
    in_child(|| {
        let device = Device::open()?;
        // A target that does little else may be inside a call for a second, above all in an
        // emulated machine.
        let mut taken = 0;
        for _ in 0..rounds(300, 100_000) {
            tried(Tried::Race);
            let reply = device.commit(attach(&pidfd, kinds, NONE));
            match reply.errno {
                None => taken += 1,
                Some(Errno::BUSY) => continue,
                _ => bail!("{reply:?} after {taken} times"),
            }
            ensure_one_home(kinds).with_context(|| format!("after {taken} times"))?;
        }
        ensure!(taken > 0, "the target was busy each time");
        Ok(String::new())
    })?;
    target.stop()
}

/// A [`Question`](crate::sharer::Question): changes the root of the task's mount namespace to one
/// that has a folder of this name.
fn settle(name: &str) -> Result<String> {
    let path = folder(name)?;
    mount_tmpfs(&path)?;
    fs::create_dir(format!("{path}/{name}"))?;
    std::env::set_current_dir(&path)?;
    mount_move(".", "/")?;
    chroot(".")?;
    std::env::set_current_dir("/")?;
    set_hostname(name)
}

/// Checks that root, working directory and host name belong to the same home.
fn ensure_one_home(kinds: Contexts) -> Result<()> {
    let home = |at: &str| {
        let is = |name: &&str| fs::exists(format!("{at}/{name}")).unwrap_or(false);
        ["is1", "is2"].into_iter().find(is)
    };
    let (root, cwd) = (home(""), home("."));
    ensure!(
        root == cwd,
        "the root is that of {root:?}, the cwd of {cwd:?}"
    );
    if kinds.contains(UTS) && root.is_some() {
        let name = hostname("")?;
        ensure!(
            root == Some(&*name),
            "the root is that of {root:?}, the host name of {name}"
        );
    }
    Ok(())
}
