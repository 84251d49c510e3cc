// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_FILES`: the table of open descriptors.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::thread;

use anyhow::Result;
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd};
use rustix::process::getpid;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::{checked, unshare};
use crate::harness::Suite;
use crate::oracle::same_file;
use crate::questions::{close, is_open, open, open_here};
use crate::world::World;

const FILES: Contexts = Contexts::FILES;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("files")
        .test(
            "the sharer does not get a descriptor that the caller opens",
            own_open,
        )
        .test(
            "the sharer keeps a descriptor that the caller closes",
            own_close,
        )
        .test(
            "the caller keeps a descriptor that the sharer closes",
            others_close,
        )
        .test("both tables have the same open files", same_files)
        .test(
            "the caller and the sharer still share the position in an open file",
            shared_position,
        )
        .test("each descriptor keeps its close-on-exec flag", cloexec)
        .test("a private one is not replaced", not_shared)
        .test("a thread gets its own table", thread);
    // Around the sizes at which a table and its bitmaps grow.
    [3, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1024]
        .into_iter()
        .fold(suite, |suite, size| {
            suite.test(
                format!("with {size} open files, open(2) returns the lowest free descriptor"),
                move || lowest_free(size),
            )
        })
}

/// Opens copies of `file` until the lowest free descriptor is `count`.
pub(crate) fn fill(file: &File, count: RawFd) -> Result<()> {
    while fcntl_dupfd_cloexec(file, 0)?.into_raw_fd() < count - 1 {}
    Ok(())
}

/// Duplicates `file` to exactly the number `fd`.
pub(crate) fn dup_to(file: &File, fd: RawFd) -> Result<RawFd> {
    // SAFETY: The tests own every descriptor by its number in the table at hand.
    Ok(checked(unsafe { libc::dup2(file.as_raw_fd(), fd) })?)
}

/// Fails unless, up to `count` times, the kernel returns the lowest number that is not open.
pub(crate) fn ensure_lowest_free(file: &File, count: usize) -> Result<()> {
    let mut lowest = 0;
    let mut next = || {
        // The numbers below are open by now.
        lowest = (lowest..).find(|&fd| !open_here(fd)).unwrap_or_default();
        let got = fcntl_dupfd_cloexec(file, 0)?;
        let number = got.as_raw_fd();
        ensure!(
            number == lowest,
            "{number} was given although {lowest} is free"
        );
        Ok(got)
    };
    let mut first = next()?;
    for _ in 1..count {
        // If a lower number was free meanwhile, the kernel first searches for words with free bits.
        let number = first.as_raw_fd();
        drop(first);
        first = fcntl_dupfd_cloexec(file, 0)?;
        ensure!(first.as_raw_fd() == number, "{number} is the lowest");
        let _ = next()?.into_raw_fd();
    }
    Ok(())
}

fn own_open() -> Result<()> {
    let world = World::sharing(FILES)?;
    let shared = open("/proc/version")?;
    ensure!(world.sharer.ask(is_open, &shared)? == "true", "not shared");
    world.replaces(unshare(FILES), FILES, &["kcmp/files"])?;
    let own = open("/proc/version")?;
    ensure!(world.sharer.ask(is_open, &own)? == "false");
    Ok(())
}

fn own_close() -> Result<()> {
    let world = World::sharing(FILES)?;
    let shared = open("/proc/version")?;
    world.replaces(unshare(FILES), FILES, &["kcmp/files"])?;
    close(&shared)?;
    ensure!(world.sharer.ask(is_open, &shared)? == "true");
    Ok(())
}

fn others_close() -> Result<()> {
    let world = World::sharing(FILES)?;
    let shared = open("/proc/version")?;
    world.replaces(unshare(FILES), FILES, &["kcmp/files"])?;
    world.sharer.ask(close, &shared)?;
    ensure!(is_open(&shared)? == "true");
    Ok(())
}

fn same_files() -> Result<()> {
    let world = World::sharing(FILES)?;
    fill(&File::open("/proc/version")?, 100)?;
    world.replaces(unshare(FILES), FILES, &["kcmp/files"])?;
    for fd in (0..100).filter(|&fd| open_here(fd)) {
        let same = same_file((getpid(), fd), (world.sharer.pid, fd))?;
        ensure!(same, "descriptor {fd} means another file now");
    }
    Ok(())
}

fn shared_position() -> Result<()> {
    let world = World::sharing(FILES)?;
    let mut file = File::open("/proc/version")?;
    world.replaces(unshare(FILES), FILES, &["kcmp/files"])?;
    world
        .sharer
        .ask(read_three, &file.as_raw_fd().to_string())?;
    ensure!(file.stream_position()? == 3);
    Ok(())
}

fn read_three(fd: &str) -> Result<String> {
    // SAFETY: The tests own every descriptor by its number in the table at hand.
    let mut file = unsafe { File::from_raw_fd(fd.parse()?) };
    file.read_exact(&mut [0; 3])?;
    let _ = file.into_raw_fd();
    Ok(String::new())
}

fn cloexec() -> Result<()> {
    let world = World::sharing(FILES)?;
    let keep = File::open("/proc/version")?;
    let inherit = rustix::io::dup(&keep)?;
    world.replaces(unshare(FILES), FILES, &["kcmp/files"])?;
    ensure!(fcntl_getfd(&keep)? == FdFlags::CLOEXEC);
    ensure!(fcntl_getfd(&inherit)?.is_empty());
    Ok(())
}

fn not_shared() -> Result<()> {
    World::alone()?.replaces(unshare(FILES), Contexts::empty(), &[])
}

fn thread() -> Result<()> {
    let mut world = World::alone()?;
    let opened: OwnedFd = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            world.watch_this_thread()?;
            world.replaces(unshare(FILES), FILES, &[])?;
            Ok::<_, anyhow::Error>(rustix::io::dup(&world.device)?)
        });
        thread.join().expect("the thread panicked")
    })?;
    // The thread and its table are gone; the number was never open here.
    let number = opened.into_raw_fd();
    ensure!(!open_here(number), "{number} was opened here too");
    Ok(())
}

fn lowest_free(size: RawFd) -> Result<()> {
    let world = World::sharing(FILES)?;
    let file = File::open("/proc/version")?;
    let lowest = (0..).find(|&fd| !open_here(fd)).unwrap_or_default();
    fill(&file, size.max(lowest + 1))?;
    world.replaces(unshare(FILES), FILES, &["kcmp/files"])?;
    if size > 100 {
        // Free numbers in the first and in the last word of the bitmap.
        close("40")?;
        close(&(size - 2).to_string())?;
    }
    ensure_lowest_free(&file, 70)?;
    Ok(())
}
