// SPDX-License-Identifier: GPL-2.0-only

//! The stage of most tests: the calling task, a task it shares contexts with, and a witness who
//! shares nothing and watches the two.

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
    /// The thread that is watched, by the number that it has out here.
    task: i32,
    /// A page with a number that grows each time somebody looks.
    canary: Mapping,
}

/// Who watches. Making one takes time, so one does for all tests that leave it as it is.
pub(crate) enum Witness {
    Common,
    Own(Sharer),
}

static COMMON: OnceLock<Sharer> = OnceLock::new();

impl Witness {
    /// Makes the common witness, before any test.
    pub(crate) fn appoint() -> Result<()> {
        let witness = Sharer::new(Contexts::empty())?;
        witness.ask(end_with_parent, "")?;
        ensure!(COMMON.set(witness).is_ok(), "one is enough");
        Ok(())
    }

    /// The common witness is at nobody's service, after somebody who asked was killed.
    pub(crate) fn settle() {
        Self::Common.deref().settle();
    }
}

/// A [`Question`](crate::sharer::Question): who is never dropped holds what the tests write to open.
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

    /// The same, with a witness who is in the namespaces that the caller is in now.
    pub(crate) fn here(contexts: Contexts) -> Result<Self> {
        Self::with(Witness::Own(Sharer::new(Contexts::empty())?), contexts)
    }

    fn with(witness: Witness, contexts: Contexts) -> Result<Self> {
        let task = getpid().as_raw_nonzero().get();
        // Numbers that are nobody else's.
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

    /// From now on the calling thread is the one that is watched.
    pub(crate) fn watch_this_thread(&mut self) -> Result<()> {
        // The number in a PID namespace that the thread may be in would mean nothing to the witness.
        let link = fs::read_link("/proc/thread-self")?;
        let number = link.file_name().context("no number")?.to_string_lossy();
        self.task = number.parse()?;
        Ok(())
    }

    /// What the watched task looks like to the witness.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        let sharer = self.sharer.pid.as_raw_nonzero().get();
        self.observe(self.task, sharer)?.with_own_points()
    }

    /// What the sharer looks like to the witness, compared with the watched task.
    pub(crate) fn snapshot_of_sharer(&self) -> Result<Snapshot> {
        self.snapshot_of(self.sharer.pid)
    }

    /// What another task looks like to the witness, compared with the watched one.
    pub(crate) fn snapshot_of(&self, task: Pid) -> Result<Snapshot> {
        self.observe(task.as_raw_nonzero().get(), self.task)
    }

    fn observe(&self, task: i32, partner: i32) -> Result<Snapshot> {
        let canary = self.canary.start();
        write(canary, read(canary) + 1);
        let arg = format!("{task} {partner} {}", name(canary));
        Ok(Snapshot::parse(&self.witness.ask(observe, &arg)?))
    }

    /// Makes the request and tells which points of the caller changed.
    pub(crate) fn commit(&self, args: Args) -> Result<(Reply, BTreeSet<String>)> {
        let before = self.snapshot()?;
        let reply = self.device.commit(args);
        Ok((reply, before.changed(&self.snapshot()?)))
    }

    /// The request succeeds and says that it replaced `replaced`; exactly `points` change.
    pub(crate) fn replaces(&self, args: Args, replaced: Contexts, points: &[&str]) -> Result<()> {
        let (reply, changed) = self.commit(args)?;
        Self::ensure_reply(reply, replaced)?;
        // What is attached only is shared with the target.
        let attached = Contexts::from_bits_retain(args.attach & !args.unshare);
        self.ensure_own(replaced.difference(attached))?;
        let points = points.iter().map(ToString::to_string).collect();
        ensure!(
            changed == points,
            "changed are {changed:?} instead of {points:?}"
        );
        Ok(())
    }

    /// The reply of a success, which names `replaced`; and the caller shares none of that any more.
    pub(crate) fn ensure_replaced(&self, reply: Reply, replaced: Contexts) -> Result<()> {
        Self::ensure_reply(reply, replaced)?;
        self.ensure_own(replaced)
    }

    /// The reply of a success, which names `replaced`.
    pub(crate) fn ensure_reply(reply: Reply, replaced: Contexts) -> Result<()> {
        let expected = Reply {
            errno: None,
            replaced,
            failed: Contexts::empty(),
        };
        ensure!(reply == expected, "{reply:?} instead of {expected:?}");
        Ok(())
    }

    /// The caller shares none of these contexts.
    fn ensure_own(&self, contexts: Contexts) -> Result<()> {
        // The descriptor may have been in the range that the request closed.
        if rustix::io::fcntl_getfd(&self.device).is_ok() {
            let still = self.device.shared()? & contexts;
            ensure!(still.is_empty(), "the query says still shared: {still}");
        }
        Ok(())
    }

    /// The request fails with `errno` because of `failed`, and nothing at all changes.
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
