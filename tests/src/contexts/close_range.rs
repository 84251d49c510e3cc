// SPDX-License-Identifier: GPL-2.0-only

//! `UNSHARE_CLOSE_RANGE`: descriptors that are not in the caller's new table.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, RawFd};
use std::thread;

use anyhow::Result;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use unshare_device::Contexts;

use super::files::{dup_to, ensure_lowest_free, fill};
use crate::check::ensure;
use crate::device::close_range;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::questions::{is_open, open_here};
use crate::world::World;

const FILES: Contexts = Contexts::FILES;
const ALL: u32 = u32::MAX;

pub(crate) fn suite() -> Suite {
    Suite::new("close_range")
        .test("a sharer keeps the descriptors of the range", sharer_keeps)
        .test("a range of one descriptor closes no other", just_one)
        .test(
            "a range above all open descriptors closes nothing",
            above_all,
        )
        .test("the whole range leaves an empty table", whole_table)
        .test(
            "the range may include the device's descriptor",
            calling_descriptor,
        )
        .test(
            "the next open(2) gets the lowest descriptor of the range",
            freed,
        )
        .test(
            "a shorter table has no bit set above its end",
            shorter_table,
        )
        .test("descriptors of the range are not copied first", not_copied)
        .test("in a private table, the range is closed", in_place)
        .test(
            "in a private table, the range may include every descriptor",
            in_place_all,
        )
        .test(
            "in a private table, locks on files outside the range stay",
            locks_survive,
        )
        .test("the sharer's locks stay", sharer_keeps_locks)
        .test("other threads keep the descriptors of the range", thread)
}

/// Descriptors 10 to 19 are open.
fn ten_to_nineteen() -> Result<()> {
    let file = File::open("/proc/version")?;
    (10..20).try_for_each(|fd| dup_to(&file, fd).map(drop))
}

/// Of `from`, exactly the numbers that `expected` selects are open.
fn ensure_open(
    mut range: impl Iterator<Item = RawFd>,
    expected: impl Fn(RawFd) -> bool,
) -> Result<()> {
    match range.find(|&fd| open_here(fd) != expected(fd)) {
        None => Ok(()),
        Some(fd) => crate::check::bail!("descriptor {fd}: open is {}", open_here(fd)),
    }
}

fn sharer_keeps() -> Result<()> {
    let world = World::sharing(FILES)?;
    ten_to_nineteen()?;
    let request = close_range(FILES, 12, 17);
    world.replaces(request, FILES, &["fd", "kcmp/files"])?;
    ensure_open(10..20, |fd| !(12..=17).contains(&fd))?;
    for fd in 10..20 {
        let at_sharer = world.sharer.ask(is_open, &fd.to_string())?;
        ensure!(at_sharer == "true", "the sharer lost {fd}");
    }
    Ok(())
}

fn just_one() -> Result<()> {
    let world = World::sharing(FILES)?;
    ten_to_nineteen()?;
    world.replaces(close_range(FILES, 15, 15), FILES, &["fd", "kcmp/files"])?;
    ensure_open(10..20, |fd| fd != 15)
}

fn above_all() -> Result<()> {
    let world = World::sharing(FILES)?;
    ten_to_nineteen()?;
    world.replaces(close_range(FILES, 20, ALL), FILES, &["kcmp/files"])?;
    ensure_open(10..20, |_| true)
}

fn whole_table() -> Result<()> {
    let world = World::sharing(FILES)?;
    ten_to_nineteen()?;
    world.replaces(close_range(FILES, 0, ALL), FILES, &["fd", "kcmp/files"])?;
    ensure_open(0..1024, |_| false)?;
    ensure!(world.snapshot()?.get("fd")? == "{} close on exec []");
    ensure!(world.sharer.ask(is_open, "15")? == "true");
    // The table still works.
    ensure_lowest_free(&File::open("/proc/version")?, 300)
}

fn calling_descriptor() -> Result<()> {
    let world = World::sharing(FILES)?;
    let device = u32::try_from(world.device.number())?;
    let request = close_range(FILES, device, device);
    world.replaces(request, FILES, &["fd", "kcmp/files"])?;
    ensure!(!open_here(world.device.number()));
    let at_sharer = world.sharer.ask(is_open, &device.to_string())?;
    ensure!(at_sharer == "true", "the sharer lost it");
    Ok(())
}

fn freed() -> Result<()> {
    let world = World::sharing(FILES)?;
    let file = File::open("/proc/version")?;
    fill(&file, 300)?;
    let request = close_range(FILES, 100, 199);
    world.replaces(request, FILES, &["fd", "kcmp/files"])?;
    ensure_lowest_free(&file, 150)
}

/// CVE-2024-45025: the copy got a bit of a full word that the shorter table does not have.
fn shorter_table() -> Result<()> {
    let world = World::sharing(FILES)?;
    let file = File::open("/proc/version")?;
    fill(&file, 128)?;
    let request = close_range(FILES, 64, ALL);
    world.replaces(request, FILES, &["fd", "kcmp/files"])?;
    ensure_open(64..256, |_| false)?;
    ensure_lowest_free(&file, 200)
}

fn not_copied() -> Result<()> {
    let world = World::sharing(FILES)?;
    let file = File::open("/proc/version")?;
    dup_to(&file, 1000)?;
    // No table that holds number 1000 can be made now: EMFILE.
    let limit = Setting::sysctl("fs/nr_open", "64")?;
    world.refuses(close_range(FILES, 999, 999), Errno::MFILE, FILES)?;
    let (reply, changed) = world.commit(close_range(FILES, 64, ALL))?;
    drop(limit);
    world.ensure_replaced(reply, FILES)?;
    let points = ["fd", "kcmp/files"].map(String::from).into();
    ensure!(changed == points, "changed are {changed:?}");
    Ok(())
}

fn in_place() -> Result<()> {
    let world = World::alone()?;
    ten_to_nineteen()?;
    let request = close_range(FILES, 12, 17);
    world.replaces(request, Contexts::empty(), &["fd"])?;
    ensure_open(10..20, |fd| !(12..=17).contains(&fd))?;
    ensure_lowest_free(&File::open("/proc/version")?, 80)
}

fn in_place_all() -> Result<()> {
    let world = World::alone()?;
    ten_to_nineteen()?;
    let request = close_range(FILES, 0, ALL);
    world.replaces(request, Contexts::empty(), &["fd"])?;
    ensure_open(0..1024, |_| false)
}

/// Returns a file that no other test locks.
fn lockable(name: &str) -> Result<(File, String)> {
    let path = format!("/tmp/unshare-tests-{name}-{}", std::process::id());
    fs::create_dir_all("/tmp")?;
    Ok((File::create(&path)?, path))
}

/// Tries to lock the file behind `path`, as another process would.
fn try_lock(path: &str) -> Result<String> {
    let file = File::options().write(true).open(path)?;
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok("free".to_owned()),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok("locked".to_owned()),
        Err(errno) => Err(errno.into()),
    }
}

/// The locks of fcntl(2) belong to the table: a copy that replaced it would lose them.
fn locks_survive() -> Result<()> {
    let world = World::alone()?;
    let (file, path) = lockable("survive")?;
    let kept = u32::try_from(file.as_raw_fd())?;
    fcntl_lock(&file, FlockOperation::LockExclusive)?;
    ensure!(world.witness.ask(try_lock, &path)? == "locked");
    let request = close_range(FILES, kept + 1, ALL);
    let (reply, _) = world.commit(request)?;
    world.ensure_replaced(reply, Contexts::empty())?;
    ensure!(world.witness.ask(try_lock, &path)? == "locked");
    fs::remove_file(path)?;
    Ok(())
}

fn sharer_keeps_locks() -> Result<()> {
    let world = World::sharing(FILES)?;
    let (file, path) = lockable("keep")?;
    fcntl_lock(&file, FlockOperation::LockExclusive)?;
    let request = close_range(FILES, 0, ALL);
    world.replaces(request, FILES, &["fd", "kcmp/files"])?;
    ensure!(world.witness.ask(try_lock, &path)? == "locked");
    fs::remove_file(path)?;
    Ok(())
}

fn thread() -> Result<()> {
    let mut world = World::alone()?;
    ten_to_nineteen()?;
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            world.watch_this_thread()?;
            world.replaces(close_range(FILES, 10, ALL), FILES, &["fd"])?;
            ensure_open(10..20, |_| false)
        });
        thread.join().expect("the thread panicked")
    })?;
    ensure_open(10..20, |_| true)
}
