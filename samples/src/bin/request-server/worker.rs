// SPDX-License-Identifier: GPL-2.0-only

//! A worker: clone(2) with CLONE_VM, CLONE_FS, CLONE_FILES and CLONE_SIGHAND, not CLONE_THREAD.
//!
//! For the C library and for Rust, a worker is not a thread: it has the server's thread pointer,
//! and with it the server's allocator cache, errno, panic count and thread-locals, which the server
//! uses at the same time. So the code of a worker, which is [`Worker`]'s `run` and everything that
//! it calls, follows these rules:
//!
//! - It does not allocate, and calls nothing that may allocate. What it needs is on its own stack, or
//!   was made by the server.
//! - It makes system calls through rustix, whose Linux back end does not use errno. The C library closes
//!   an `OwnedFd` and a range of descriptors, and sets errno only if that fails, which it cannot here.
//! - It does not panic: it uses `get` instead of an index, and arithmetic that cannot overflow.
//! - It uses no lock and no standard stream, and nothing of `std` that `core` does not have. Shared data
//!   is atomic. It does not use `Display` of an error, which may allocate.
//! - No signal handler runs in it: the server has none, and takes its signals, which are blocked here,
//!   by signalfd.
//!
//! The rules also hold after a worker has left the memory (`scratch`): its copy has the allocator
//! in whatever state the server had it, perhaps in the middle of an allocation. The copy only
//! ensures that no other task sees what the worker writes. Only exec ends the rules.

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

/// What a worker shares with the server at its start.
const CLONED: Contexts = Contexts::FS.union(Contexts::FILES).union(Contexts::SIGHAND);

/// A task that serves one connection, and what it uses of the server's memory. Dropping it ends the
/// task.
#[derive(Debug)]
pub(crate) struct Worker<'a> {
    pid: Pid,
    is_gone: bool,
    /// Boxed, because its address must not change for the task.
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
        // SAFETY: Both stay until the task has ended: see Drop. The task follows the rules above,
        // and closes nothing in the table that it shares.
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
        // Without its server, a worker would continue in memory that no task maintains.
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
        // A client that has hung up gets no answer.
        i32::from(self.connection.finish(answer.bytes()).is_err() || result.is_err())
    }
}
