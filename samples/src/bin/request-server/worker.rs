// SPDX-License-Identifier: GPL-2.0-only

//! A worker: clone(2) with CLONE_VM, CLONE_FS, CLONE_FILES and CLONE_SIGHAND, not CLONE_THREAD.
//!
//! It is no thread of the C library or of Rust: its thread pointer is the server's, and with it the
//! allocator's cache, errno, the panic count and every thread-local. The server uses them at the
//! same time. So the code that runs in a worker, which is [`Worker`]'s `run` and all that is called
//! from there, keeps to this:
//!
//! - no allocation and nothing that may allocate: what it needs is on its own stack, or made by the
//!   server before;
//! - system calls by rustix, whose Linux back end goes to the kernel itself: no errno. The C library
//!   closes an `OwnedFd` and a range of descriptors, and sets errno only when that fails, for which
//!   there is no reason;
//! - no panic: `get`, not an index; arithmetic that cannot overflow;
//! - no lock, no standard stream, nothing of `std` that is more than `core` has; atomics for what is
//!   shared, and no `Display` of an error, which may allocate;
//! - no signal handlers: the server has none, and takes its signals, blocked here too, by signalfd.
//!
//! Leaving the memory (`scratch`) changes none of it: in the copy, the allocator is as the server
//! happened to have it, in the middle of an allocation maybe. What the copy gives is that nobody
//! else sees what is written to it. To be free of the rules, a worker has to exec.

use std::io;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid,
};
use unshare_device::Contexts;
use unshare_samples::{Stack, Task, clone_vm};

use core::fmt::Write;
use core::sync::atomic::Ordering;

use crate::answer::Answer;
use crate::connection::{Connection, LINE};
use crate::request::Request;
use crate::service::Service;
use crate::shared::Shared;

/// What a worker shares with the server when it starts.
const CLONED: Contexts = Contexts::FS.union(Contexts::FILES).union(Contexts::SIGHAND);

/// A task that serves one connection, and what it uses of the server's memory. Ends with this value.
#[derive(Debug)]
pub(crate) struct Worker<'a> {
    pid: Pid,
    is_gone: bool,
    /// In a box, so that it stays where it is for the task.
    _job: Box<Job<'a>>,
    _stack: Stack,
}

#[derive(Debug)]
struct Job<'a> {
    connection: Connection,
    shared: &'a Shared,
}

impl<'a> Worker<'a> {
    pub(crate) fn start(connection: Connection, shared: &'a Shared) -> io::Result<Self> {
        let stack = Stack::new()?;
        let job = Box::new(Job { connection, shared });
        // SAFETY: Both stay until the worker is gone: see Drop. What it does keeps to the rules
        // above, and it closes nothing in the table that it shares.
        let pid = unsafe { clone_vm(CLONED, &stack, &*job) }?;
        Ok(Self {
            pid,
            is_gone: false,
            _job: job,
            _stack: stack,
        })
    }

    /// Whether the task has ended.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.wait(WaitOptions::NOHANG);
        self.is_gone
    }

    fn wait(&mut self, options: WaitOptions) {
        if !self.is_gone {
            let waited = rustix::io::retry_on_intr(|| waitpid(Some(self.pid), options));
            self.is_gone = !matches!(waited, Ok(None));
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if !self.is_gone {
            let _ = kill_process(self.pid, Signal::KILL);
            self.wait(WaitOptions::empty());
        }
    }
}

impl Task for Job<'_> {
    fn run(&self) -> i32 {
        // A worker of a server that is gone would go on in memory that nobody cares for.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));

        let mut line = [0; LINE];
        let mut answer = Answer::new();
        let service = Service::new(self.shared, &self.connection);
        let result = match self.connection.read_line(&mut line).map(Request::parse) {
            Ok(Some(request)) => service.serve(request, &mut answer),
            Ok(None) => Err(Errno::INVAL.into()),
            Err(errno) => Err(errno.into()),
        };
        let statistics = self.shared.statistics;
        match result {
            Ok(()) => statistics.served.fetch_add(1, Ordering::Relaxed),
            Err(failure) => {
                answer.clear();
                failure.tell(&mut answer);
                statistics.failed.fetch_add(1, Ordering::Relaxed)
            }
        };
        let _ = answer.write_str("\n");
        // Who has hung up is not answered.
        i32::from(self.connection.finish(answer.bytes()).is_err() || result.is_err())
    }
}
