// SPDX-License-Identifier: GPL-2.0-only

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use nix::libc;
use nix::unistd::ForkResult;
use rustix::process::Pid;
use unshare_device::{Contexts, Device};
use unshare_samples::{Stack, vfork};

use crate::borrower::Borrower;
use crate::heap::Heap;
use crate::program::Program;

/// A child's job, which it learns when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// Nothing: it can exit at once.
    Nothing,
    /// Become another program.
    Program,
    /// Write to the memory without the parent seeing it.
    Work,
}

/// A process with much memory, and everything that its children need, which is allocated before
/// they start.
#[derive(Debug)]
pub(crate) struct Parent {
    device: Device,
    stack: Stack,
    heap: Heap,
    program: Program,
    /// How many MiB a worker writes to.
    write: u32,
    /// How many borrowers have looked at their job: each counts itself here.
    looked: AtomicU64,
    started: AtomicU64,
}

impl Parent {
    pub(crate) fn new(device: Device, mib: u32, write: u32) -> Result<Self> {
        let arguments = vec![c"late-fork".to_owned(), c"--nothing".to_owned()];
        Ok(Self {
            device,
            stack: Stack::new()?,
            heap: Heap::new(mib),
            program: Program::new(c"/proc/self/exe".to_owned(), arguments),
            write,
            looked: AtomicU64::new(0),
            started: AtomicU64::new(0),
        })
    }

    /// Copies the memory first, whatever the job is.
    pub(crate) fn fork(&self, job: Job) -> io::Result<Pid> {
        // SAFETY: This program has one thread.
        let status = match unsafe { nix::unistd::fork() }? {
            ForkResult::Parent { child } => {
                return Ok(Pid::from_raw(child.as_raw()).ok_or(io::ErrorKind::InvalidData)?);
            }
            ForkResult::Child => match job {
                Job::Nothing => 0,
                Job::Program => {
                    self.program.exec();
                    127
                }
                Job::Work => self.work(),
            },
        };
        // SAFETY: Only the parent may run the exit handlers and flush the buffers.
        unsafe { libc::_exit(status) }
    }

    /// Copies nothing: the child is known to do nothing.
    pub(crate) fn vfork(&self) -> io::Result<Pid> {
        // SAFETY: The child does nothing.
        unsafe { vfork(Contexts::empty(), &self.stack, &|| 0) }
    }

    /// Copies the memory when the job needs it.
    pub(crate) fn late_fork(&self, job: Job) -> io::Result<Pid> {
        self.started.fetch_add(1, Ordering::Relaxed);
        let child = |borrower: Borrower<'_>| {
            self.looked.fetch_add(1, Ordering::Relaxed);
            match job {
                Job::Nothing => 0,
                Job::Program => {
                    borrower.exec(&self.program);
                    127
                }
                Job::Work => match borrower.fork() {
                    Ok(()) => self.work(),
                    Err(error) => error.errno.raw_os_error(),
                },
            }
        };
        // SAFETY: This program has one thread. Up to exec or fork the child only writes the count
        // and uses what exists, and it returns if they fail.
        unsafe { Borrower::start(&self.device, &self.stack, child) }
    }

    /// The job of a task that has memory of its own.
    fn work(&self) -> i32 {
        self.heap.scribble(self.write);
        self.looked.store(u64::MAX, Ordering::Relaxed);
        // It may allocate now.
        let notes = format!("{} MiB are written", self.write);
        i32::from(std::hint::black_box(notes).is_empty())
    }

    /// Whether everything that borrowers wrote is here, and nothing that workers wrote.
    pub(crate) fn check(&self) -> Result<()> {
        let looked = self.looked.load(Ordering::Relaxed);
        let started = self.started.load(Ordering::Relaxed);
        ensure!(
            looked == started,
            "{started} children looked at their job, and the parent sees {looked}"
        );
        ensure!(
            self.heap.is_untouched(),
            "a child with memory of its own wrote to its parent's"
        );
        Ok(())
    }
}
