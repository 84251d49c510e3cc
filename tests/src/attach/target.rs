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

/// All that `attach` takes.
pub(crate) const ATTACHABLE: Contexts = KINDS.union(Contexts::FS);

/// The kinds of namespaces.
pub(crate) const KINDS: Contexts = Contexts::NAMESPACES.difference(Contexts::EMPTY_MNTNS);

/// How far the monotonic clock of a [`Target`] with a time namespace is ahead, in seconds.
pub(crate) const AHEAD: i64 = 1_000_000;

/// Where a [`Target`] has its root and working directory, unless it is asked to move.
const HERE: &str = "/";

/// A task in namespaces of its own, which answers questions.
pub(crate) struct Target {
    /// `None` when it has been waited for.
    task: Option<Sharer>,
    pidfd: OwnedFd,
}

impl Target {
    /// A child of the caller's in new namespaces of these `kinds`.
    pub(crate) fn new(kinds: Contexts) -> Result<Self> {
        let task = match kinds.contains(Contexts::TIME) {
            true => with_clock(|| Sharer::new(kinds.difference(Contexts::TIME)))?,
            false => Sharer::new(kinds)?,
        };
        // What is mounted in a copy of the mounts would propagate to the others.
        if kinds.contains(Contexts::MOUNT) {
            task.ask(private_mounts, HERE)?;
        }
        Self::of(task)
    }

    /// A target that is in the caller's namespaces, or wherever it goes when asked to.
    pub(crate) fn of(task: Sharer) -> Result<Self> {
        let pidfd = pidfd_open(task.pid, PidfdFlags::empty())?;
        let task = Some(task);
        Ok(Self { task, pidfd })
    }

    /// The target when it is dead.
    pub(crate) fn ended(self) -> Result<Self> {
        let Self { pidfd, .. } = self;
        Ok(Self { task: None, pidfd })
    }

    /// The target when it is dead, and nobody has waited for it.
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

    /// Another descriptor for it.
    pub(crate) fn pidfd(&self) -> Result<OwnedFd> {
        Ok(self.pidfd.try_clone()?)
    }

    pub(crate) fn ask(&self, question: Question, arg: &str) -> Result<String> {
        self.task()?.ask(question, arg)
    }

    /// A request to attach and nothing else.
    pub(crate) fn attach(&self, kinds: Contexts) -> Args {
        self.attach_and(kinds, Contexts::empty())
    }

    /// A request to attach, and to unshare after that.
    pub(crate) fn attach_and(&self, kinds: Contexts, contexts: Contexts) -> Args {
        attach(self, kinds, contexts)
    }

    /// What it looks like to the witness.
    pub(crate) fn snapshot(&self, world: &World) -> Result<Snapshot> {
        world.snapshot_of(self.pid()?)
    }
}

impl AsFd for Target {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// A request to attach to the task behind any descriptor, and to unshare after that.
pub(crate) fn attach(pidfd: &impl AsFd, kinds: Contexts, contexts: Contexts) -> Args {
    Args {
        attach: kinds.bits(),
        pidfd: pidfd.as_fd().as_raw_fd(),
        ..unshare(contexts)
    }
}

/// A pidfd of the caller's own.
pub(crate) fn own_pidfd() -> Result<OwnedFd> {
    Ok(pidfd_open(getpid(), PidfdFlags::empty())?)
}

/// Has a child born into a new time namespace, while the caller stays in its own.
fn with_clock(birth: impl FnOnce() -> Result<Sharer>) -> Result<Sharer> {
    let own = File::open("/proc/self/ns/time")?;
    syscall(Contexts::TIME)?;
    fs::write("/proc/self/timens_offsets", format!("monotonic {AHEAD} 0"))?;
    let child = birth();
    move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::Time))?;
    child
}

/// A [`Question`]: from now on, what the task mounts stays with it.
pub(crate) fn private_mounts(_: &str) -> Result<String> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", flags)?;
    Ok(String::new())
}
