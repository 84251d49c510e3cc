// SPDX-License-Identifier: GPL-2.0-only

//! LEAVE gives back the very structures that the thread had, whatever happened meanwhile.

use std::os::fd::AsFd;
use std::thread;

use anyhow::Result;
use rustix::io::Errno;
use rustix::process::getpid;
use rustix::time::{ClockId, clock_gettime};
use unshare_device::Contexts;

use super::{ALL, Eye, Held, leave_last};
use crate::attach::target::{AHEAD, Target};
use crate::backend::{setns, syscall};
use crate::check::ensure;
use crate::contexts::sysv::{Semaphore, value};
use crate::device::Device;
use crate::harness::Suite;
use crate::oracle::{Kcmp, same};
use crate::questions::chdir;
use crate::sharer::Sharer;

pub(crate) fn suite() -> Suite {
    Suite::new("held_leaving")
        .test("without an entry: EINVAL, and nothing changes", no_entry)
        .test("in another order: EBUSY, and nothing changes", wrong_order)
        .test(
            "an entry too many: ENOSPC, and all others are left",
            too_deep,
        )
        .test("when the descriptor is closed: by the device", closed)
        .test("another descriptor of the same file will do", duplicate)
        .test(
            "after unshare(2), chdir(2) and setns(2) inside",
            changed_inside,
        )
        .test(
            "after setns(2) to a time namespace inside: its clock is left",
            clocks,
        )
        .test(
            "semaphore adjustments are applied at ENTER, and those from inside at LEAVE",
            semaphores,
        )
        .test(
            "semaphore adjustments that a sibling shares stay, and the thread has left their list",
            shared_semaphores,
        )
}

fn no_entry() -> Result<()> {
    let device = Device::open()?;
    // In a held PID namespace, no sibling could be made.
    let held = Held::new(ALL.difference(Contexts::PID))?;
    let other = Held::new(Contexts::UTS)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    ensure!(held.leave() == Err(Errno::INVAL));
    ensure!(leave_last(&device) == Err(Errno::INVAL));
    other.inside(|| {
        let inside = eye.view()?;
        ensure!(held.leave() == Err(Errno::INVAL));
        inside.ensure_same(&eye.view()?)
    })?;
    // An entry is a thread's own.
    held.inside(|| {
        thread::scope(|scope| {
            let sibling = scope.spawn(|| (held.leave(), leave_last(&device)));
            let left = sibling.join().expect("the sibling panicked");
            ensure!(left == (Err(Errno::INVAL), Err(Errno::INVAL)), "{left:?}");
            Ok(())
        })
    })?;
    before.ensure_same(&eye.view()?)
}

fn wrong_order() -> Result<()> {
    let [a, b, c] = [
        Held::new(Contexts::UTS)?,
        Held::new(Contexts::NET)?,
        Held::new(ALL)?,
    ];
    let eye = Eye::new()?;
    let before = eye.view()?;
    a.enter()?;
    b.enter()?;
    c.enter()?;
    let inside = eye.view()?;
    for held in [&a, &b] {
        ensure!(held.leave() == Err(Errno::BUSY));
    }
    inside.ensure_same(&eye.view()?)?;
    let device = Device::open()?;
    for held in [&c, &b, &a] {
        ensure!(held.threads()? == 1);
        leave_last(&device)?;
        ensure!(held.threads()? == 0);
    }
    before.ensure_same(&eye.view()?)
}

fn too_deep() -> Result<()> {
    let held = Held::new(Contexts::NET | Contexts::FS)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    for _ in 0..32 {
        held.enter()?;
    }
    let inside = eye.view()?;
    ensure!(held.enter() == Err(Errno::NOSPC));
    inside.ensure_same(&eye.view()?)?;
    ensure!(held.threads()? == 1);
    for _ in 0..32 {
        held.leave()?;
    }
    ensure!(held.leave() == Err(Errno::INVAL));
    before.ensure_same(&eye.view()?)
}

fn closed() -> Result<()> {
    let device = Device::open()?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    for _ in 0..2 {
        // Inside a held PID namespace, no other one can be made.
        let held = Held::new(ALL.difference(Contexts::PID))?;
        held.enter()?;
        drop(held);
    }
    ensure!(before.changed(&eye.view()?).contains("net"));
    leave_last(&device)?;
    leave_last(&device)?;
    ensure!(leave_last(&device) == Err(Errno::INVAL));
    before.ensure_same(&eye.view()?)
}

fn duplicate() -> Result<()> {
    let held = Held::new(Contexts::UTS)?;
    let copy = Held(held.as_fd().try_clone_to_owned()?);
    held.enter()?;
    copy.leave()?;
    ensure!(held.leave() == Err(Errno::INVAL));
    Ok(())
}

fn changed_inside() -> Result<()> {
    let target = Target::new(Contexts::UTS | Contexts::NET)?;
    let held = Held::new(ALL)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.inside(|| {
        chdir("/proc")?;
        syscall(Contexts::UTS | Contexts::IPC | Contexts::MOUNT | Contexts::FS)?;
        setns(target.as_fd(), Contexts::UTS | Contexts::NET)?;
        Ok(())
    })?;
    before.ensure_same(&eye.view()?)
}

fn clocks() -> Result<()> {
    let seconds = || clock_gettime(ClockId::Monotonic).tv_sec;
    let target = Target::new(Contexts::TIME)?;
    let held = Held::new(Contexts::UTS)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    let start = seconds();
    let inside = held.inside(|| {
        setns(target.as_fd(), Contexts::TIME)?;
        Ok(seconds())
    })?;
    ensure!(inside - start >= AHEAD, "{start}, and {inside} inside");
    let end = seconds();
    ensure!(end - start < AHEAD, "{start}, and {end} afterwards");
    before.ensure_same(&eye.view()?)
}

fn semaphores() -> Result<()> {
    syscall(Contexts::IPC)?;
    let semaphore = Semaphore::new()?;
    semaphore.add_with_undo(5)?;
    let [held, other] = [Held::new(Contexts::NET)?, Held::new(Contexts::IPC)?];
    held.inside(|| Ok(()))?;
    ensure!(
        value(&semaphore.id())? == "5",
        "another network applied them"
    );
    let of_inside = other.inside(|| {
        let of_inside = Semaphore::new()?;
        of_inside.add_with_undo(3)?;
        let id = of_inside.id();
        std::mem::forget(of_inside);
        Ok(id)
    })?;
    ensure!(value(&semaphore.id())? == "0", "ENTER did not apply them");
    let left = other.inside(|| value(&of_inside))?;
    ensure!(left == "0", "LEAVE left {left}");
    Ok(())
}

fn shared_semaphores() -> Result<()> {
    syscall(Contexts::IPC)?;
    let sharer = Sharer::new(Contexts::SYSVSEM)?;
    let pids = [getpid(), sharer.pid].map(|pid| pid.as_raw_nonzero().get());
    let semaphore = Semaphore::new()?;
    semaphore.add_with_undo(5)?;
    ensure!(same(pids[0], pids[1], Kcmp::Sysvsem)?);
    let held = Held::new(Contexts::IPC)?;
    held.inside(|| Ok(()))?;
    ensure!(value(&semaphore.id())? == "5", "ENTER applied them");
    ensure!(
        !same(pids[0], pids[1], Kcmp::Sysvsem)?,
        "LEAVE gave the list back"
    );
    drop(sharer);
    ensure!(
        value(&semaphore.id())? == "0",
        "the sibling did not keep them"
    );
    Ok(())
}
