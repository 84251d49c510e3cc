// SPDX-License-Identifier: GPL-2.0-only

//! LEAVE after the thread has changed inside what the context does not hold; and what a HOLD that fails leaves.

use std::fs::{File, read_link};
use std::os::fd::AsFd;
use std::sync::mpsc::{Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use super::{Eye, Held};
use crate::attach::target::Target;
use crate::backend::{setns, syscall};
use crate::check::ensure;
use crate::device::{Args, COMMIT, Device, HOLD, unshare};
use crate::harness::Suite;
use crate::machine::Setting;
use crate::memory::read_only;
use crate::questions::chdir;

pub(crate) fn suite() -> Suite {
    Suite::new("held_way_back")
        .test(
            "directories held, unshare(CLONE_NEWNS) inside: the mount namespace comes back",
            directories_alone,
        )
        .test(
            "network held, unshare(CLONE_NEWNS) inside: EBUSY until setns(2) has undone it",
            network_alone,
        )
        .test(
            "setns(CLONE_NEWTIME) and a new thread inside: EUSERS until the thread has ended",
            clocks_of_two,
        )
        .test(
            "unshare(CLONE_NEWTIME) inside, beside a sibling: children are back in the old one",
            clocks_of_children,
        )
        .test(
            "a HOLD that cannot write its answer gives the counts back at once",
            counts,
        )
}

fn directories_alone() -> Result<()> {
    let held = Held::new(Contexts::FS)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.inside(|| Ok(syscall(Contexts::MOUNT)?))?;
    before.ensure_same(&eye.view()?)
}

fn network_alone() -> Result<()> {
    let own = File::open("/proc/thread-self/ns/mnt")?;
    // Where setns(2) puts the thread.
    chdir("/")?;
    let held = Held::new(Contexts::NET)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.enter()?;
    syscall(Contexts::MOUNT)?;
    let inside = eye.view()?;
    ensure!(held.leave() == Err(Errno::BUSY));
    inside.ensure_same(&eye.view()?)?;
    setns(own.as_fd(), Contexts::MOUNT)?;
    held.leave()?;
    before.ensure_same(&eye.view()?)
}

/// Another thread, which lives until this is dropped.
struct Sibling(Option<(Sender<()>, JoinHandle<()>)>);

impl Sibling {
    fn new() -> Self {
        let (sender, receiver) = channel();
        let thread = spawn(move || {
            let _ = receiver.recv();
        });
        Self(Some((sender, thread)))
    }
}

impl Drop for Sibling {
    fn drop(&mut self) {
        let (sender, thread) = self.0.take().expect("it is dropped once");
        drop(sender);
        thread.join().expect("the sibling panicked");
    }
}

fn clocks_of_two() -> Result<()> {
    let target = Target::new(Contexts::TIME)?;
    let held = Held::new(Contexts::UTS)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.enter()?;
    setns(target.as_fd(), Contexts::TIME)?;
    let inside = eye.view()?;
    let sibling = Sibling::new();
    ensure!(held.leave() == Err(Errno::USERS));
    inside.ensure_same(&eye.view()?)?;
    drop(sibling);
    // join(3) returns a little before the kernel has released the thread.
    let until = Instant::now() + Duration::from_secs(20);
    while held.leave() == Err(Errno::USERS) {
        ensure!(Instant::now() < until, "the sibling still counts");
    }
    before.ensure_same(&eye.view()?)
}

fn clocks_of_children() -> Result<()> {
    let of_children = || read_link("/proc/thread-self/ns/time_for_children");
    let held = Held::new(Contexts::UTS)?;
    let _sibling = Sibling::new();
    let before = of_children()?;
    let inside = held.inside(|| {
        syscall(Contexts::TIME)?;
        Ok(of_children()?)
    })?;
    ensure!(inside != before && of_children()? == before);
    Ok(())
}

/// A worker frees a network after its last user: a count that it gives back is missing at once.
fn counts() -> Result<()> {
    let device = Device::open()?;
    syscall(Contexts::USER)?;
    let _limit = Setting::sysctl("user/max_net_namespaces", "1")?;
    let args = read_only(Args {
        options: HOLD,
        ..unshare(Contexts::NET)
    })?;
    let errno = device.ioctl(COMMIT, args.start());
    ensure!(errno == Some(Errno::FAULT), "{errno:?}");
    Held::of(&device, unshare(Contexts::NET))?;
    Ok(())
}
