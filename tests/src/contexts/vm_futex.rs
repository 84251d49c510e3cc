// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: tasks that wait for a priority-inheriting lock of the caller. As long as they wait,
//! the kernel keeps the address of the lock.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::Result;
use rustix::io::Errno;
use rustix::mm::MapFlags;
use rustix::thread::{futex, gettid};
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::vm::{VM, leave};
use super::vm_child_tid::{SOON, asleep_at};
use crate::check::ensure;
use crate::device::unshare;
use crate::dry_run::dry;
use crate::harness::Suite;
use crate::mailbox::Mapping;
use crate::memory::{PAGE, name};
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_futex")
        .test(
            "while a task waits for a PI futex of the caller: EBUSY, CLONE_VM; then success",
            waited_for,
        )
        .test(
            "a task that begins to wait for a PI futex during a request keeps waiting",
            comes_to_wait,
        )
}

/// A lock in private memory.
struct Lock(Mapping);

impl Lock {
    /// Makes one that the calling task holds.
    fn held() -> Result<Self> {
        let lock = Self(Mapping::new(PAGE, MapFlags::PRIVATE)?);
        lock.word()
            .store(gettid().as_raw_nonzero().get().try_into()?, Relaxed);
        Ok(lock)
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: The page is there for as long as `self`.
        unsafe { &*self.0.start().cast() }
    }

    fn release(&self) -> Result<()> {
        Ok(futex::unlock_pi(self.word(), futex::Flags::PRIVATE)?)
    }
}

/// Takes the lock at an address, waiting at most that long.
fn take(at: &str, limit: Timespec) -> Result<(), Errno> {
    let word = std::ptr::without_provenance::<AtomicU32>(at.parse().map_err(|_| Errno::FAULT)?);
    // SAFETY: The word is mapped for as long as the task lives.
    let word = unsafe { &*word };
    let until = clock_gettime(ClockId::Realtime) + limit;
    futex::lock_pi(word, futex::Flags::PRIVATE, Some(&until))
}

/// A [`Question`](crate::sharer::Question): waits for the lock at the address `arg`.
fn wait(arg: &str) -> Result<String> {
    Ok(format!("{:?}", take(arg, SOON.try_into()?)))
}

/// A [`Question`](crate::sharer::Question): waits for the lock at the address `arg`, gives up, and
/// repeats.
fn wait_often(arg: &str) -> Result<String> {
    let moment = Timespec {
        tv_sec: 0,
        tv_nsec: 500_000,
    };
    for _ in 0..100 {
        let outcome = take(arg, moment);
        ensure!(outcome == Err(Errno::TIMEDOUT), "{outcome:?}");
    }
    Ok(String::new())
}

fn waited_for() -> Result<()> {
    let lock = Lock::held()?;
    let world = World::sharing(VM)?;
    world.sharer.begin(wait, &name(lock.0.start()));
    asleep_at(&world, lock.0.start())?;
    world.refuses(unshare(VM), Errno::BUSY, VM)?;
    world.refuses(dry(unshare(VM)), Errno::BUSY, VM)?;
    lock.release()?;
    let outcome = world.sharer.answer()?;
    ensure!(outcome == "Ok(())", "{outcome}");
    leave(&world)
}

fn comes_to_wait() -> Result<()> {
    let lock = Lock::held()?;
    let world = World::sharing(VM)?;
    world.sharer.begin(wait_often, &name(lock.0.start()));
    let (mut done, mut busy) = (0, 0);
    while !world.sharer.is_through() {
        match world.device.commit(dry(unshare(VM))).errno {
            None => done += 1,
            Some(Errno::BUSY) => busy += 1,
            Some(errno) => crate::check::bail!("{errno}"),
        }
    }
    world.sharer.answer()?;
    ensure!(done + busy > 0, "it has not tried");
    leave(&world)
}
