// SPDX-License-Identifier: GPL-2.0-only

//! Runs in workers: the rules of worker.rs apply.

use core::fmt::Write;
use core::sync::atomic::Ordering;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::libc;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, fcntl_getfd, read, write};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{chdir, umask};
use rustix::system::{sethostname, uname};
use unshare_device::{Contexts, Error};

use crate::answer::Answer;
use crate::connection::Connection;
use crate::request::Request;
use crate::shared::Shared;

/// A worker that serves its request.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
}

/// The reason why a request was not served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure(Error);

impl Failure {
    /// Writes the reason: `error CLONE_NEWUTS 1`, or `error - 2` if no context was refused.
    pub(crate) fn tell(self, answer: &mut Answer) {
        let Self(Error { errno, context }) = self;
        let context = context.kernel_name().unwrap_or("-");
        let _ = write!(answer, "error {context} {}", errno.raw_os_error());
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        let context = Contexts::empty();
        Self(Error { errno, context })
    }
}

type Result<T> = core::result::Result<T, Failure>;

impl<'a> Service<'a> {
    pub(crate) fn new(shared: &'a Shared, connection: &'a Connection) -> Self {
        Self { shared, connection }
    }

    /// Serves the request, after unsharing the contexts that it must not share.
    pub(crate) fn serve(&self, request: Request<'_>, answer: &mut Answer) -> Result<()> {
        self.leave(request.contexts())?;
        let _ = answer.write_str("ok ");
        match request {
            Request::Limit(bytes) => self.shared.limit.store(bytes, Ordering::Relaxed),
            Request::Stats => self.stats(answer),
            Request::Cat { directory, file } => self.cat(directory, file, answer)?,
            Request::Put {
                directory,
                umask: mask,
                file,
                text,
            } => {
                umask(Mode::from_raw_mode(mask));
                chdir(directory)?;
                put(file, text)?;
            }
            Request::Files => {
                let _ = write!(answer, "{}", descriptors());
            }
            Request::Host(name) => {
                sethostname(name.as_bytes())?;
                let _ = answer.write_str(uname().nodename().to_str().unwrap_or("?"));
            }
            Request::Tmp { directory, text } => {
                let kind = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
                mount_change("/", kind)?;
                mount("tmp", directory, "tmpfs", MountFlags::NOSUID, None)?;
                chdir(directory)?;
                put("text", text)?;
                self.cat(".", "text", answer)?;
            }
            Request::Scratch(word) => {
                self.shared.scribble(word);
                let _ = write!(answer, "{:016x}", self.shared.sum());
            }
        }
        Ok(())
    }

    /// Stops sharing `contexts`, all or none of them. Of the descriptors, it keeps the first three
    /// and the connection.
    fn leave(&self, contexts: Contexts) -> Result<()> {
        if contexts.is_empty() {
            return Ok(());
        }
        let connection = self.connection.number();
        let mut request = unshare_device::Request::new().unshare(contexts);
        if contexts.contains(Contexts::FILES) {
            request = request.close_range(connection.saturating_add(1)..=u32::MAX);
        }
        let device = &self.shared.device;
        // Contexts without privilege use the command that needs none.
        let replaced = match contexts.intersects(Contexts::NAMESPACES) {
            // SAFETY: The worker still uses only its connection, which is not in the range. The
            // server owns the other descriptors in its own table, where they stay open.
            true => unsafe { device.commit(&request) },
            // SAFETY: As above.
            false => unsafe { device.commit_local(&request) },
        };
        let replaced = replaced.map_err(Failure)?;
        let count = u64::from(replaced.bits().count_ones());
        let statistics = self.shared.statistics;
        statistics.replaced.fetch_add(count, Ordering::Relaxed);
        if replaced.contains(Contexts::FILES) {
            close_below(connection);
        }
        Ok(())
    }

    fn stats(&self, answer: &mut Answer) {
        let statistics = self.shared.statistics;
        let _ = write!(
            answer,
            "served {} failed {} replaced {} limit {} document {:016x}",
            statistics.served.load(Ordering::Relaxed),
            statistics.failed.load(Ordering::Relaxed),
            statistics.replaced.load(Ordering::Relaxed),
            self.shared.limit.load(Ordering::Relaxed),
            self.shared.sum(),
        );
    }

    fn cat(&self, directory: &str, file: &str, answer: &mut Answer) -> Result<()> {
        chdir(directory)?;
        let file = open(file, OFlags::RDONLY)?;
        let limit = self.shared.limit.load(Ordering::Relaxed);
        // One byte is reserved for the end of the line, whatever the limit is.
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(4000);
        let length = read(file.as_fd(), answer.free(limit))?;
        answer.add(length);
        Ok(())
    }
}

fn put(file: &str, text: &str) -> Result<()> {
    let file = open(file, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
    match write(file.as_fd(), text.as_bytes())? {
        length if length == text.len() => Ok(()),
        _ => Err(Errno::IO.into()),
    }
}

fn open(file: &str, flags: OFlags) -> Result<OwnedFd> {
    Ok(openat(CWD, file, flags | OFlags::CLOEXEC, 0o666.into())?)
}

/// Closes the descriptors between stderr and the connection, in the worker's own table. A request
/// has room for one range only.
fn close_below(connection: u32) {
    if let Some(last) = connection.checked_sub(1).filter(|last| *last >= 3) {
        // SAFETY: This task uses none of them any more. A failure would set errno; this range
        // cannot fail.
        unsafe { libc::close_range(3, last, 0) };
    }
}

/// Counts the worker's descriptors among the first thousand.
fn descriptors() -> usize {
    (0..1024)
        .filter(|number| {
            // SAFETY: The call only checks whether the descriptor is open.
            fcntl_getfd(unsafe { BorrowedFd::borrow_raw(*number) }).is_ok()
        })
        .count()
}
