// SPDX-License-Identifier: GPL-2.0-only

//! Root and working directory: inside they are the held ones, and afterwards the very structure that the thread had.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::Result;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{getpid, pivot_root};
use unshare_device::Contexts;

use super::{ALL, Held};
use crate::attach::target::Target;
use crate::check::ensure;
use crate::child::in_child;
use crate::contexts::mount::{folder, mount_tmpfs, stage};
use crate::device::Device;
use crate::harness::Suite;
use crate::oracle::{Kcmp, same};
use crate::questions::{change_root, chdir, cwd, place_of, root};
use crate::ring::{ASYNC, OPENAT, Ring};
use crate::sharer::Sharer;

pub(crate) fn suite() -> Suite {
    Suite::new("held_directories")
        .test(
            "root and working directory are the target's, and then the thread's own again",
            directories,
        )
        .test(
            "where a sibling has gone meanwhile: the directories are shared",
            sibling_moves,
        )
        .test(
            "the sibling's directories stay the same structure",
            same_structure,
        )
        .test(
            "after pivot_root(2) by another process: the root is the old one",
            pivoted,
        )
        .test(
            "after pivot_root(2), with a sibling: the root is the new one",
            pivoted_with_sibling,
        )
        .test(
            "a file system that is held is busy, and not any more when the descriptor is closed",
            held_busy,
        )
        .test(
            "a file system that a thread inside comes back to is busy",
            parked_busy,
        )
        .test(
            "a worker of io_uring that is made inside stays inside",
            worker,
        )
}

fn directories() -> Result<()> {
    let place = folder("held-directories")?;
    fs::create_dir_all(format!("{place}/root/inner"))?;
    let target = Target::of(Sharer::new(Contexts::empty())?)?;
    target.ask(change_root, &format!("{place}/root"))?;
    target.ask(chdir, "/inner")?;
    let held = Held::of(&Device::open()?, target.attach(Contexts::FS))?;
    // Where the target goes afterwards is not followed.
    target.ask(chdir, "/")?;
    let before = env::current_dir()?;
    held.inside(|| {
        ensure!(env::current_dir()?.to_str() == Some("/inner"));
        ensure!(!Path::new("/proc").exists());
        fs::create_dir("made")?;
        Ok(())
    })?;
    ensure!(env::current_dir()? == before);
    ensure!(Path::new(&format!("{place}/root/inner/made")).exists());
    // Each stay begins where the target was.
    held.inside(|| chdir("/").map(drop))?;
    held.inside(|| {
        ensure!(env::current_dir()?.to_str() == Some("/inner"));
        Ok(())
    })
}

fn sibling_moves() -> Result<()> {
    let sharer = Sharer::new(Contexts::FS)?;
    let held = Held::new(ALL)?;
    let moved = held.inside(|| {
        let inside = cwd("")?;
        let moved = sharer.ask(chdir, "/proc")?;
        ensure!(cwd("")? == inside, "the sibling moved this thread");
        Ok(moved)
    })?;
    ensure!(cwd("")? == moved);
    // What the thread does inside, the sibling does not see.
    held.inside(|| chdir("/").map(drop))?;
    ensure!(sharer.ask(cwd, "")? == moved);
    Ok(())
}

fn same_structure() -> Result<()> {
    let sharer = Sharer::new(Contexts::FS)?;
    let pids = [getpid(), sharer.pid].map(|pid| pid.as_raw_nonzero().get());
    let shares = || same(pids[0], pids[1], Kcmp::Fs);
    let held = Held::new(Contexts::FS)?;
    ensure!(shares()?);
    held.enter()?;
    let inside = shares();
    held.leave()?;
    ensure!(!inside? && shares()?);
    Ok(())
}

/// Mounts of the test's own, with a place to pivot to.
fn stage_to_pivot(name: &str) -> Result<String> {
    let path = folder(name)?;
    stage()?;
    mount_tmpfs(&path)?;
    for inner in ["old", "proc"] {
        fs::create_dir(format!("{path}/{inner}"))?;
    }
    Ok(path)
}

/// Has another process of the same mount namespace call pivot_root(2).
fn pivot(path: &str) -> Result<()> {
    in_child(|| {
        env::set_current_dir(path)?;
        pivot_root(".", "old")?;
        Ok(String::new())
    })
    .map(drop)
}

fn pivoted() -> Result<()> {
    let path = stage_to_pivot("held-pivoted")?;
    let held = Held::new(Contexts::FS)?;
    let before = root("")?;
    held.enter()?;
    let outcome = pivot(&path);
    // The copy inside belongs to a task, and is moved.
    let inside = root("");
    held.leave()?;
    outcome?;
    ensure!(
        inside? != before,
        "the task was not moved while it was inside"
    );
    ensure!(
        root("")? == before,
        "the manual says that the root is the old one"
    );
    Ok(())
}

fn pivoted_with_sibling() -> Result<()> {
    let path = stage_to_pivot("held-pivoted-sibling")?;
    let _sharer = Sharer::new(Contexts::FS)?;
    let held = Held::new(Contexts::FS)?;
    let before = root("")?;
    held.enter()?;
    let outcome = pivot(&path);
    held.leave()?;
    outcome?;
    ensure!(
        root("")? != before,
        "the root did not move with the sibling's"
    );
    Ok(())
}

/// Mounts of the test's own, with one more that nobody uses.
fn stage_to_unmount(name: &str) -> Result<String> {
    let path = folder(name)?;
    stage()?;
    mount_tmpfs(&path)?;
    Ok(path)
}

fn held_busy() -> Result<()> {
    let path = stage_to_unmount("held-busy")?;
    let target = Target::of(Sharer::new(Contexts::empty())?)?;
    target.ask(chdir, &path)?;
    let held = Held::of(&Device::open()?, target.attach(Contexts::FS))?;
    drop(target);
    ensure!(unmount(&path, UnmountFlags::empty()) == Err(Errno::BUSY));
    held.inside(|| Ok(()))?;
    ensure!(unmount(&path, UnmountFlags::empty()) == Err(Errno::BUSY));
    drop(held);
    Ok(unmount(&path, UnmountFlags::empty())?)
}

fn parked_busy() -> Result<()> {
    let path = stage_to_unmount("held-parked-busy")?;
    let held = Held::new(Contexts::FS)?;
    chdir(&path)?;
    held.inside(|| {
        let unmounted = unmount(&path, UnmountFlags::empty());
        ensure!(unmounted == Err(Errno::BUSY), "{unmounted:?}");
        Ok(())
    })?;
    ensure!(cwd("")? == place_of(&path)?);
    chdir("/")?;
    Ok(unmount(&path, UnmountFlags::empty())?)
}

/// As after setns(2): the worker has the directories with which it was made.
fn worker() -> Result<()> {
    let inner = folder("held-worker")?;
    fs::write(format!("{inner}/here"), "")?;
    let held = Held::new(Contexts::FS)?;
    let ring = Ring::new()?;
    ring.limit_workers()?;
    let worker_opens = || {
        let path = c"here".as_ptr().expose_provenance();
        ring.submit(OPENAT, ASYNC, libc::AT_FDCWD, path, 0, 0)?;
        let result = ring.result()?;
        ensure!(result >= 0, "the worker has no such file: {result}");
        Ok(())
    };
    held.inside(|| {
        chdir(&inner)?;
        worker_opens()
    })?;
    ensure!(!Path::new("here").exists(), "the thread is still inside");
    worker_opens()
}
