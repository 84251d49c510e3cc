// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: which task or cgroup is charged for which memory.

use anyhow::{Context, Result};
use rustix::mm::{Advice, MapFlags, madvise};
use rustix::process::{Resource, Rlimit, getpid, setrlimit};

use super::vm::{VM, leave};
use crate::cgroup::Cgroup;
use crate::check::ensure;
use crate::child::in_child;
use crate::device::unshare;
use crate::harness::Suite;
use crate::mailbox::Mapping;
use crate::memory::{PAGE, bytes, marked};
use crate::world::World;

const MEGABYTE: u64 = 1 << 20;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_accounts")
        .test(
            "getrusage(2) keeps the largest size of the old address space",
            largest,
        )
        .test("VmHWM of the copy begins at the size of the copy", hiwater)
        .test(
            "pages of the copy are charged to the caller's memory cgroup",
            own_cgroup,
        )
        .test(
            "the sharer becomes the owner of the old address space",
            next_owner,
        )
        .test("the caller is the owner of the copy", owner)
        .test("RLIMIT_AS and RLIMIT_DATA count only the copy", limits)
}

/// Returns the largest resident size of this process, in bytes.
fn max_rss() -> Result<u64> {
    // SAFETY: All zeroes are valid, and the kernel fills them in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    Ok(u64::try_from(usage.ru_maxrss)? * 1024)
}

/// Memory that is touched and that a copy leaves out.
fn not_copied(pages: usize) -> Result<Mapping> {
    let memory = marked(pages, 1, MapFlags::PRIVATE)?;
    // SAFETY: The advice is about what a child gets.
    unsafe { madvise(memory.start(), memory.len(), Advice::LinuxDontFork)? };
    Ok(memory)
}

/// Leaves the memory, [some](not_copied) of which is left out of the copy.
fn leave_some() -> Result<()> {
    let world = World::sharing(VM)?;
    world.replaces(unshare(VM), VM, &["kcmp/vm", "maps"])
}

fn largest() -> Result<()> {
    std::mem::forget(not_copied(8192)?);
    leave_some()?;
    ensure!(max_rss()? >= 32 * MEGABYTE, "{}", max_rss()?);
    Ok(())
}

fn hiwater() -> Result<()> {
    std::mem::forget(not_copied(8192)?);
    let size = || bytes("/proc/self/status", "VmHWM");
    ensure!(size()? >= 32 * MEGABYTE);
    leave_some()?;
    let now = size()?;
    ensure!((100_000..32 * MEGABYTE).contains(&now), "{now}");
    Ok(())
}

/// A [`Question`](crate::sharer::Question): touches 16 MiB more.
fn touch(_: &str) -> Result<String> {
    std::mem::forget(marked(4096, 1, MapFlags::PRIVATE)?);
    Ok(String::new())
}

/// Fails unless `grown` has about 16 MiB more, and `other` next to nothing.
fn ensure_charged(
    grown: &Cgroup,
    other: &Cgroup,
    touch: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let before = [grown.anon()?, other.anon()?];
    touch()?;
    let [grown, other] = [
        grown.anon()? - before[0],
        other.anon()?.saturating_sub(before[1]),
    ];
    ensure!(
        grown > 14 * MEGABYTE && other < 2 * MEGABYTE,
        "{grown} bytes here, {other} bytes there"
    );
    Ok(())
}

/// The caller in one cgroup and a sharer in another.
fn in_two(body: impl FnOnce(&World, &Cgroup, &Cgroup) -> Result<()>) -> Result<()> {
    let [mine, sharers] = ["vm-mine", "vm-sharers"].map(|name| Cgroup::new(name, "memory"));
    let (mine, sharers) = (mine?, sharers?);
    let done = in_child(|| {
        mine.add(getpid().as_raw_nonzero().get())?;
        let world = World::sharing(VM)?;
        sharers.add(world.sharer.pid.as_raw_nonzero().get())?;
        body(&world, &mine, &sharers)?;
        Ok(String::new())
    });
    done.map(drop)
}

fn own_cgroup() -> Result<()> {
    in_two(|world, mine, sharers| {
        leave(world)?;
        ensure_charged(mine, sharers, || touch("").map(drop))
    })
}

fn next_owner() -> Result<()> {
    in_two(|world, mine, sharers| {
        leave(world)?;
        ensure_charged(sharers, mine, || world.sharer.ask(touch, "").map(drop))
    })
}

fn owner() -> Result<()> {
    in_two(|world, mine, sharers| {
        // Until the sharer has its own memory, the maker of the address space is charged for what
        // it touches.
        ensure_charged(mine, sharers, || world.sharer.ask(touch, "").map(drop))?;
        world.sharer.ask(super::vm::unshare_vm, "")?;
        ensure_charged(sharers, mine, || world.sharer.ask(touch, "").map(drop))?;
        ensure_charged(mine, sharers, || touch("").map(drop))
    })
}

fn limits() -> Result<()> {
    for (limit, size) in [(Resource::As, "VmSize"), (Resource::Data, "VmData")] {
        in_child(|| {
            let memory = marked(2048, 1, MapFlags::PRIVATE)?;
            let world = World::sharing(VM)?;
            let size = || bytes("/proc/self/status", size);
            // The limit leaves no room for another copy, nor for what the sharer maps for itself.
            let tight = Rlimit {
                current: Some(size()? + MEGABYTE),
                maximum: None,
            };
            setrlimit(limit, tight)?;
            leave(&world)?;
            let before = size()?;
            world.sharer.ask(touch, "")?;
            ensure!(size()? == before, "{limit:?} counts the sharer's memory");
            let four = || Mapping::new(1024 * PAGE, MapFlags::PRIVATE);
            ensure!(four().is_err(), "{limit:?} does not count the copy");
            drop(memory);
            four().with_context(|| format!("{limit:?} counts what is gone"))?;
            Ok(String::new())
        })?;
    }
    Ok(())
}
