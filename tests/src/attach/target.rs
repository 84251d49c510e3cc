// SPDX-License-Identifier: GPL-2.0-only

//! The task behind a pidfd.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use unshare_device::Contexts;

use crate::backend::syscall;
use crate::device::{Args, unshare};
use crate::oracle::Snapshot;
use crate::sharer::{Question, Sharer};
use crate::world::World;

/// Everything that `attach` accepts.
pub(crate) const ATTACHABLE: Contexts = KINDS.union(Contexts::FS);

/// The kinds of namespaces.
pub(crate) const KINDS: Contexts = Contexts::NAMESPACES.difference(Contexts::EMPTY_MNTNS);

/// How far the monotonic clock of a [`Target`] with its own time namespace is ahead, in seconds.
pub(crate) const AHEAD: i64 = 1_000_000;

/// Root and working directory of a [`Target`], unless a question moves it.
const HERE: &str = "/";

/// A task in its own namespaces, which answers questions.
pub(crate) struct Target {
    /// `None` after it was waited for.
    task: Option<Sharer>,
    pidfd: OwnedFd,
}

impl Target {
    /// Starts a child of the caller in new namespaces of these `kinds`.
    pub(crate) fn new(kinds: Contexts) -> Result<Self> {
        let task = match kinds.contains(Contexts::TIME) {
            true => with_clock(|| Sharer::new(kinds.difference(Contexts::TIME)))?,
            false => Sharer::new(kinds)?,
        };
        // Mounts in a copy of the mounts would propagate to other namespaces.
        if kinds.contains(Contexts::MOUNT) {
            task.ask(private_mounts, HERE)?;
        }
        Self::of(task)
    }

    /// A target that is in the caller's namespaces, unless a question moves it.
    pub(crate) fn of(task: Sharer) -> Result<Self> {
        let pidfd = pidfd_open(task.pid, PidfdFlags::empty())?;
        let task = Some(task);
        Ok(Self { task, pidfd })
    }

    /// Returns the target after its death.
    pub(crate) fn ended(self) -> Result<Self> {
        let Self { pidfd, .. } = self;
        Ok(Self { task: None, pidfd })
    }

    /// Returns the target after its death, as a zombie.
    pub(crate) fn zombie(self) -> Result<Self> {
        kill_process(self.pid()?, Signal::KILL)?;
        poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], None)?;
        Ok(self)
    }

    fn task(&self) -> Result<&Sharer> {
        self.task.as_ref().context("the target is dead")
    }

    pub(crate) fn pid(&self) -> Result<Pid> {
        Ok(self.task()?.pid)
    }

    /// Returns another descriptor of it.
    pub(crate) fn pidfd(&self) -> Result<OwnedFd> {
        Ok(self.pidfd.try_clone()?)
    }

    pub(crate) fn ask(&self, question: Question, arg: &str) -> Result<String> {
        self.task()?.ask(question, arg)
    }

    /// A request that attaches and does nothing else.
    pub(crate) fn attach(&self, kinds: Contexts) -> Args {
        self.attach_and(kinds, Contexts::empty())
    }

    /// A request that attaches and then unshares.
    pub(crate) fn attach_and(&self, kinds: Contexts, contexts: Contexts) -> Args {
        attach(self, kinds, contexts)
    }

    /// Its snapshot, as the witness sees it.
    pub(crate) fn snapshot(&self, world: &World) -> Result<Snapshot> {
        world.snapshot_of(self.pid()?)
    }
}

impl AsFd for Target {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// A request that attaches to the task behind any descriptor, and then unshares.
pub(crate) fn attach(pidfd: &impl AsFd, kinds: Contexts, contexts: Contexts) -> Args {
    Args {
        attach: kinds.bits(),
        pidfd: pidfd.as_fd().as_raw_fd(),
        ..unshare(contexts)
    }
}

/// Returns a pidfd of the caller itself.
pub(crate) fn own_pidfd() -> Result<OwnedFd> {
    Ok(pidfd_open(getpid(), PidfdFlags::empty())?)
}

/// Starts a child in a new time namespace, while the caller stays in its own.
fn with_clock(birth: impl FnOnce() -> Result<Sharer>) -> Result<Sharer> {
    let own = File::open("/proc/self/ns/time")?;
    syscall(Contexts::TIME)?;
    fs::write("/proc/self/timens_offsets", format!("monotonic {AHEAD} 0"))?;
    let child = birth();
    move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::Time))?;
    child
}

/// A [`Question`]: makes the task's mounts private.
pub(crate) fn private_mounts(_: &str) -> Result<String> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", flags)?;
    Ok(String::new())
}
