// SPDX-License-Identifier: GPL-2.0-only

//! The participants of most tests: the calling task, a task that it shares contexts with, and a
//! witness that shares nothing and observes both.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Deref;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::mm::MapFlags;
use rustix::process::{Pid, Signal, getpid, set_parent_process_death_signal};
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::{Args, Device, Reply};
use crate::mailbox::Mapping;
use crate::memory::{marked, name, read, write};
use crate::oracle::{Snapshot, observe};
use crate::sharer::Sharer;

pub(crate) struct World {
    pub(crate) device: Device,
    pub(crate) sharer: Sharer,
    pub(crate) witness: Witness,
    /// The observed thread, by its number in the initial PID namespace.
    task: i32,
    /// A page with a number that grows with each observation.
    canary: Mapping,
}

/// The task that observes. Starting one takes time, so all tests that do not change it share one.
pub(crate) enum Witness {
    Common,
    Own(Sharer),
}

static COMMON: OnceLock<Sharer> = OnceLock::new();

impl Witness {
    /// Starts the common witness, before any test.
    pub(crate) fn appoint() -> Result<()> {
        let witness = Sharer::new(Contexts::empty())?;
        witness.ask(end_with_parent, "")?;
        ensure!(COMMON.set(witness).is_ok(), "one is enough");
        Ok(())
    }

    /// Waits until the common witness is idle again after a task that asked it was killed.
    pub(crate) fn settle() {
        Self::Common.deref().settle();
    }
}

/// A [`Question`](crate::sharer::Question): makes the witness end with its parent. It is never
/// dropped, and would keep open what the tests write to.
fn end_with_parent(_: &str) -> Result<String> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(String::new())
}

impl Deref for Witness {
    type Target = Sharer;

    fn deref(&self) -> &Sharer {
        match self {
            Self::Common => COMMON.get().expect("appointed before any test"),
            Self::Own(sharer) => sharer,
        }
    }
}

impl World {
    /// A world in which the caller shares `contexts`.
    pub(crate) fn sharing(contexts: Contexts) -> Result<Self> {
        Self::with(Witness::Common, contexts)
    }

    /// The same, with a witness in the caller's current namespaces.
    pub(crate) fn here(contexts: Contexts) -> Result<Self> {
        Self::with(Witness::Own(Sharer::new(Contexts::empty())?), contexts)
    }

    fn with(witness: Witness, contexts: Contexts) -> Result<Self> {
        let task = getpid().as_raw_nonzero().get();
        // Numbers that no other world uses.
        let first = u64::try_from(task)? << 32;
        Ok(Self {
            witness,
            canary: marked(1, first, MapFlags::PRIVATE)?,
            device: Device::open()?,
            sharer: Sharer::new(contexts)?,
            task,
        })
    }

    /// A world in which the caller shares nothing.
    pub(crate) fn alone() -> Result<Self> {
        Self::sharing(Contexts::empty())
    }

    /// Makes the calling thread the observed one.
    pub(crate) fn watch_this_thread(&mut self) -> Result<()> {
        // The thread's number in its own PID namespace would mean nothing to the witness.
        let link = fs::read_link("/proc/thread-self")?;
        let number = link.file_name().context("no number")?.to_string_lossy();
        self.task = number.parse()?;
        Ok(())
    }

    /// Returns the observed task's snapshot, as the witness sees it.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        let sharer = self.sharer.pid.as_raw_nonzero().get();
        self.observe(self.task, sharer)?.with_own_points()
    }

    /// Returns the sharer's snapshot, compared with the observed task.
    pub(crate) fn snapshot_of_sharer(&self) -> Result<Snapshot> {
        self.snapshot_of(self.sharer.pid)
    }

    /// Returns another task's snapshot, compared with the observed one.
    pub(crate) fn snapshot_of(&self, task: Pid) -> Result<Snapshot> {
        self.observe(task.as_raw_nonzero().get(), self.task)
    }

    fn observe(&self, task: i32, partner: i32) -> Result<Snapshot> {
        let canary = self.canary.start();
        write(canary, read(canary) + 1);
        let arg = format!("{task} {partner} {}", name(canary));
        Ok(Snapshot::parse(&self.witness.ask(observe, &arg)?))
    }

    /// Makes the request. Returns the reply and the points in which the caller has changed.
    pub(crate) fn commit(&self, args: Args) -> Result<(Reply, BTreeSet<String>)> {
        let before = self.snapshot()?;
        let reply = self.device.commit(args);
        Ok((reply, before.changed(&self.snapshot()?)))
    }

    /// Checks that the request succeeds and replaces `replaced`, and that exactly `points` change.
    pub(crate) fn replaces(&self, args: Args, replaced: Contexts, points: &[&str]) -> Result<()> {
        let (reply, changed) = self.commit(args)?;
        Self::ensure_reply(reply, replaced)?;
        // A context that was only attached is shared with the target.
        let attached = Contexts::from_bits_retain(args.attach & !args.unshare);
        self.ensure_own(replaced.difference(attached))?;
        let points = points.iter().map(ToString::to_string).collect();
        ensure!(
            changed == points,
            "changed are {changed:?} instead of {points:?}"
        );
        Ok(())
    }

    /// Checks that the reply is a success with `replaced`, and that the caller shares none of these
    /// contexts any more.
    pub(crate) fn ensure_replaced(&self, reply: Reply, replaced: Contexts) -> Result<()> {
        Self::ensure_reply(reply, replaced)?;
        self.ensure_own(replaced)
    }

    /// Checks that the reply is a success with `replaced`.
    pub(crate) fn ensure_reply(reply: Reply, replaced: Contexts) -> Result<()> {
        let expected = Reply {
            errno: None,
            replaced,
            failed: Contexts::empty(),
        };
        ensure!(reply == expected, "{reply:?} instead of {expected:?}");
        Ok(())
    }

    /// Checks that the caller shares none of these contexts.
    fn ensure_own(&self, contexts: Contexts) -> Result<()> {
        // The request may have closed the device's descriptor.
        if rustix::io::fcntl_getfd(&self.device).is_ok() {
            let still = self.device.shared()? & contexts;
            ensure!(still.is_empty(), "the query says still shared: {still}");
        }
        Ok(())
    }

    /// Checks that the request fails with `errno` and `failed`, and that nothing changes.
    pub(crate) fn refuses(&self, args: Args, errno: Errno, failed: Contexts) -> Result<()> {
        let before = [self.snapshot()?, self.snapshot_of_sharer()?];
        let reply = self.device.commit(args);
        let expected = Reply {
            errno: Some(errno),
            replaced: Contexts::empty(),
            failed,
        };
        ensure!(reply == expected, "{reply:?} instead of {expected:?}");
        before[0].ensure_same(&self.snapshot()?)?;
        before[1].ensure_same(&self.snapshot_of_sharer()?)
    }
}
