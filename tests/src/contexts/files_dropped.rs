// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_FILES`: dropping a copied descriptor table that no task gets closes nothing.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use unshare_device::Contexts;

use super::files::{dup_to, fill};
use crate::backend::Backend;
use crate::check::ensure;
use crate::child::in_child;
use crate::device::{checked, close_range, unshare};
use crate::differential::judge;
use crate::dry_run::dry;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::world::World;

const FILES: Contexts = Contexts::FILES;

/// The name of the case in [`differences`](crate::differences).
pub(crate) const CASE: &str =
    "with an mq_notify(3) registration, CLONE_FILES and a later failure change nothing";
pub(crate) const CANCELLED: &str = "the notification is gone";
pub(crate) const KEPT: &str = "the notification is registered";

pub(crate) fn suite() -> Suite {
    Suite::new("files_dropped")
        .test(
            "a dry run keeps the caller's mq_notify(3) registration",
            dry_run_keeps,
        )
        .test(
            "a failed request keeps the caller's mq_notify(3) registration",
            failing_keeps,
        )
        .test(
            "leaving a queue's descriptor out of the copy keeps its mq_notify(3) registration",
            left_out_keeps,
        )
        .test("a dropped copy keeps no file open", holds_nothing)
        .test("dropping a large table takes less than ten seconds", large)
        .test(CASE, compare)
}

/// A message queue that notifies the caller of the next message.
struct Queue(OwnedFd);

impl Queue {
    fn new() -> Result<Self> {
        let name = c"unshare-files-dropped";
        let flags = libc::O_CREAT | libc::O_RDWR | libc::O_CLOEXEC;
        // SAFETY: The name is a string, and no attributes means the defaults.
        let fd = checked(unsafe {
            libc::syscall(
                libc::SYS_mq_open,
                name.as_ptr(),
                flags,
                0o600,
                std::ptr::null::<libc::c_void>(),
            )
        })
        .context("mq_open")?;
        // SAFETY: The descriptor is new.
        let queue = Self(unsafe { OwnedFd::from_raw_fd(fd.try_into()?) });
        // SAFETY: The name is a string.
        checked(unsafe { libc::syscall(libc::SYS_mq_unlink, name.as_ptr()) })?;
        ensure!(!queue.tells_somebody()?, "a new queue");
        ensure!(queue.tells_somebody()?, "just registered");
        Ok(queue)
    }

    /// Whether a task is registered. If none is, the caller is registered afterwards.
    fn tells_somebody(&self) -> Result<bool> {
        // SAFETY: All zeroes are a value of it.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_NONE;
        // SAFETY: The kernel only reads the struct.
        let result = checked(unsafe {
            libc::syscall(libc::SYS_mq_notify, self.0.as_raw_fd(), &raw const event)
        });
        match result {
            Ok(_) => Ok(false),
            Err(Errno::BUSY) => Ok(true),
            Err(errno) => Err(errno).context("mq_notify"),
        }
    }
}

fn dry_run_keeps() -> Result<()> {
    let world = World::sharing(FILES)?;
    let queue = Queue::new()?;
    let reply = world.device.commit(dry(unshare(FILES)));
    World::ensure_reply(reply, FILES)?;
    ensure!(queue.tells_somebody()?, "the dry run cancelled it");
    Ok(())
}

fn failing_keeps() -> Result<()> {
    let world = World::sharing(FILES)?;
    let queue = Queue::new()?;
    let _limit = Setting::sysctl("user/max_uts_namespaces", "0")?;
    let request = unshare(FILES | Contexts::UTS);
    world.refuses(request, Errno::NOSPC, Contexts::UTS)?;
    ensure!(queue.tells_somebody()?, "the failure cancelled it");
    Ok(())
}

fn left_out_keeps() -> Result<()> {
    let world = World::sharing(FILES)?;
    let queue = Queue::new()?;
    // A higher descriptor keeps dup_fd() from stopping before the queue's.
    dup_to(&File::open("/proc/version")?, 200)?;
    let number = queue.0.as_raw_fd().unsigned_abs();
    let kept = rustix::io::fcntl_dupfd_cloexec(&queue.0, 100)?;
    let reply = world.device.commit(close_range(FILES, number, number));
    World::ensure_reply(reply, FILES)?;
    // This number is no longer open here.
    std::mem::forget(queue);
    ensure!(Queue(kept).tells_somebody()?, "leaving it out cancelled it");
    Ok(())
}

fn holds_nothing() -> Result<()> {
    let world = World::sharing(FILES)?;
    let (mut read, write) = rustix::pipe::pipe()?;
    for _ in 0..10 {
        World::ensure_reply(world.device.commit(dry(unshare(FILES))), FILES)?;
    }
    // The sharer uses this table, too, so this closes the only descriptor.
    drop(write);
    let mut byte = [0];
    ensure!(
        rustix::io::read(&mut read, &mut byte)? == 0,
        "somebody could still write"
    );
    Ok(())
}

fn large() -> Result<()> {
    const MANY: i32 = 65_536;
    let limit = u64::try_from(MANY)?;
    let limit = Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    setrlimit(Resource::Nofile, limit)?;
    let world = World::sharing(FILES)?;
    fill(&File::open("/proc/version")?, MANY)?;
    let start = Instant::now();
    let reply = world.device.commit(dry(unshare(FILES)));
    World::ensure_reply(reply, FILES)?;
    let dropped = start.elapsed();
    let reply = world.device.commit(dry(close_range(FILES, 3, 40_000)));
    World::ensure_reply(reply, FILES)?;
    ensure!(dropped.as_secs() < 10, "{dropped:?}");
    Ok(())
}

/// The two ways in which a request can fail after it has copied the table.
fn compare() -> Result<()> {
    let syscall = in_child(|| outcome(Backend::Syscall))?;
    let ioctl = in_child(|| outcome(Backend::Ioctl))?;
    judge(CASE, &syscall, &ioctl)
}

fn outcome(backend: Backend) -> Result<String> {
    let world = World::sharing(FILES)?;
    let queue = Queue::new()?;
    let _limit = Setting::sysctl("user/max_uts_namespaces", "0")?;
    let result = backend.unshare(&world.device, FILES | Contexts::UTS);
    ensure!(result == Err(Errno::NOSPC), "{result:?}");
    let outcome = match queue.tells_somebody()? {
        true => KEPT,
        false => CANCELLED,
    };
    Ok(outcome.to_owned())
}
