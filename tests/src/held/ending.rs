// SPDX-License-Identifier: GPL-2.0-only

//! A stay that is not left: a child of the thread has no entry, and the entry of a thread ends with it.

use std::os::fd::AsFd;
use std::thread;

use anyhow::Result;
use rustix::io::{Errno, read as read_from, write as write_to};
use rustix::pipe::pipe;
use rustix::process::getpid;
use unshare_device::Contexts;

use super::{ALL, Eye, Held, MOST, leave_last, wait_until};
use crate::attach::target::Target;
use crate::backend::setns;
use crate::check::ensure;
use crate::child::{Child, in_child};
use crate::device::Device;
use crate::harness::Suite;
use crate::oracle::{Kcmp, same};
use crate::questions::{chdir, cwd};
use crate::scale::rounds;
use crate::sharer::Sharer;

pub(crate) fn suite() -> Suite {
    Suite::new("held_ending")
        .test(
            "a child that is forked inside is inside, and cannot leave",
            forked,
        )
        .test(
            "a task that shares the directories inside keeps them",
            cloned,
        )
        .test(
            "a thread that ends inside is not counted, and no user of the directories",
            ended,
        )
        .test("a process that is killed inside is not counted", killed)
        .test(
            "after a thread that ended inside, no other thread has its entries",
            reused,
        )
}

fn forked() -> Result<()> {
    let device = Device::open()?;
    let held = Held::new(MOST)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.enter()?;
    let inside = eye.view()?;
    let outcome = in_child(|| {
        let eye = Eye::new()?;
        inside.ensure_same(&eye.view()?)?;
        ensure!(held.leave() == Err(Errno::INVAL));
        ensure!(leave_last(&device) == Err(Errno::INVAL));
        // It can enter for itself.
        held.inside(|| Ok(()))?;
        inside.ensure_same(&eye.view()?)?;
        ensure!(held.threads()? == 1);
        Ok(String::new())
    });
    held.leave()?;
    outcome?;
    before.ensure_same(&eye.view()?)
}

fn cloned() -> Result<()> {
    let held = Held::new(Contexts::FS)?;
    held.enter()?;
    let sharer = Sharer::new(Contexts::FS);
    let moved = chdir("/proc");
    held.leave()?;
    let (sharer, moved) = (sharer?, moved?);
    ensure!(sharer.ask(cwd, "")? == moved, "the sharer is elsewhere");
    ensure!(cwd("")? != moved);
    let pids = [getpid(), sharer.pid].map(|pid| pid.as_raw_nonzero().get());
    ensure!(!same(pids[0], pids[1], Kcmp::Fs)?);
    Ok(())
}

/// Whether nobody else uses the caller's directories: setns(2) asks that of one who goes to a mount namespace.
fn directories_are_own(target: &Target) -> Result<(), Errno> {
    setns(target.as_fd(), Contexts::MOUNT)
}

fn ended() -> Result<()> {
    let target = Target::new(Contexts::MOUNT)?;
    let held = Held::new(MOST)?;
    for _ in 0..8 {
        thread::scope(|scope| {
            let stay = || (0..3).try_for_each(|_| held.enter());
            scope.spawn(stay).join().expect("the thread panicked")
        })?;
    }
    wait_until(|| Ok(held.threads()? == 0))?;
    wait_until(|| Ok(directories_are_own(&target).is_ok()))
}

fn killed() -> Result<()> {
    let held = Held::new(ALL)?;
    for _ in 0..8 {
        let (read, write) = pipe()?;
        let child = Child::spawn(|| {
            held.enter()?;
            write_to(&write, b"x")?;
            loop {
                thread::park();
            }
        })?;
        drop(write);
        let mut byte = [0];
        read_from(&read, &mut byte[..])?;
        let inside = held.threads()?;
        child.stop()?;
        ensure!(inside == 1, "{inside} inside");
        ensure!(held.threads()? == 0, "it is dead and inside");
    }
    Ok(())
}

/// The kernel makes the next task in the memory of one that is gone.
fn reused() -> Result<()> {
    let held = Held::new(Contexts::NET | Contexts::FS)?;
    let device = Device::open()?;
    let each = rounds(60, 500);
    for _ in 0..3 {
        for _ in 0..each {
            let die = || held.enter();
            thread::scope(|scope| scope.spawn(die).join().expect("the thread panicked"))?;
        }
        for _ in 0..each {
            let try_leave = || (leave_last(&device), held.leave());
            let left = thread::scope(|scope| scope.spawn(try_leave).join());
            let left = left.expect("the thread panicked");
            ensure!(left == (Err(Errno::INVAL), Err(Errno::INVAL)), "{left:?}");
        }
    }
    wait_until(|| Ok(held.threads()? == 0))
}
