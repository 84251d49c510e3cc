// SPDX-License-Identifier: GPL-2.0-only

//! Pairs of a caller and a target that setns(2) treats differently.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::process::{PidfdFlags, getppid, pidfd_open};
use rustix::thread::{CapabilitySet, set_no_new_privs};
use unshare_device::Contexts;

use super::parties::{below, nested_pid, new_pid, of_user, without};
use super::target::{KINDS, Target, own_pidfd};
use crate::backend::syscall;
use crate::conditions::{
    as_user, in_chroot, in_user_namespace, pending_pid, unmapped, with_adjustments, with_thread,
};
use crate::everything::SHARED;
use crate::situations::Body;
use crate::world::World;

pub(super) struct Scene {
    pub(super) name: &'static str,
    /// The contexts that the caller shares with another task.
    pub(super) shared: Contexts,
    /// Makes the target, which is the caller's parent or sibling.
    pub(super) target: fn() -> Result<Target>,
    /// Runs something as the caller.
    pub(super) within: fn(&mut World, Body<'_>) -> Result<String>,
    /// The descriptor that the caller attaches to.
    pub(super) pidfd: fn(&Target) -> Result<OwnedFd>,
    pub(super) requests: fn() -> Vec<Contexts>,
}

/// A caller that shares no `fs_struct`, and a target of root in its own namespaces.
const PLAIN: Scene = Scene {
    name: "a usual caller",
    shared: SHARED.difference(Contexts::FS),
    target: || Target::new(KINDS),
    within: |world, body| body(world),
    pidfd: Target::pidfd,
    requests: each_and_all,
};

pub(super) const SCENES: &[Scene] = &[
    Scene {
        requests: pairs,
        ..PLAIN
    },
    Scene {
        name: "with a shared fs_struct",
        shared: SHARED,
        requests: || {
            let [mount, user, uts] = [Contexts::MOUNT, Contexts::USER, Contexts::UTS];
            vec![mount, user, uts, mount | uts, mount | user, KINDS]
        },
        ..PLAIN
    },
    Scene {
        name: "with threads",
        within: with_thread,
        ..PLAIN
    },
    Scene {
        name: "with a shared address space",
        shared: Contexts::VM,
        ..PLAIN
    },
    Scene {
        name: "uid 1000, and root's task",
        within: as_user,
        ..PLAIN
    },
    Scene {
        name: "uid 1000, and a task of that user",
        target: of_user,
        within: as_user,
        requests: || with_each(&[Contexts::USER]),
        ..PLAIN
    },
    Scene {
        name: "in a user namespace",
        within: in_user_namespace,
        ..PLAIN
    },
    Scene {
        name: "in a user namespace without mapping",
        within: unmapped,
        ..PLAIN
    },
    Scene {
        name: "in a user namespace, and a task below it",
        target: below,
        ..PLAIN
    },
    Scene {
        name: "in a chroot",
        within: in_chroot,
        ..PLAIN
    },
    Scene {
        name: "with a pending PID namespace",
        within: pending_pid,
        ..PLAIN
    },
    Scene {
        name: "a task with a pending PID namespace",
        target: || {
            let target = Target::new(KINDS)?;
            target.ask(new_pid, "")?;
            Ok(target)
        },
        requests: few,
        ..PLAIN
    },
    Scene {
        name: "with semaphore adjustments",
        within: with_adjustments,
        requests: || vec![Contexts::IPC, Contexts::UTS],
        ..PLAIN
    },
    Scene {
        name: "without CAP_SYS_CHROOT",
        within: |world, body| {
            without(CapabilitySet::SYS_CHROOT)?;
            body(world)
        },
        requests: || {
            vec![
                Contexts::MOUNT,
                Contexts::UTS,
                Contexts::MOUNT | Contexts::USER,
            ]
        },
        ..PLAIN
    },
    Scene {
        name: "without CAP_SYS_ADMIN",
        within: |world, body| {
            without(CapabilitySet::SYS_ADMIN)?;
            body(world)
        },
        ..PLAIN
    },
    Scene {
        name: "without CAP_SYS_ADMIN, and a task of uid 1000",
        target: of_user,
        within: |world, body| {
            without(CapabilitySet::SYS_ADMIN)?;
            body(world)
        },
        requests: few,
        ..PLAIN
    },
    Scene {
        name: "with no_new_privs",
        within: |world, body| {
            set_no_new_privs(true)?;
            body(world)
        },
        requests: few,
        ..PLAIN
    },
    Scene {
        name: "a task in the same namespaces",
        target: || Target::new(Contexts::empty()),
        ..PLAIN
    },
    Scene {
        name: "the caller itself",
        target: || Target::new(Contexts::empty()),
        pidfd: |_| own_pidfd(),
        ..PLAIN
    },
    Scene {
        name: "the caller's parent",
        target: || Target::new(Contexts::empty()),
        within: in_user_namespace,
        requests: few,
        pidfd: parents_pidfd,
        ..PLAIN
    },
    Scene {
        name: "the caller's parent, and a way back",
        target: || Target::new(Contexts::empty()),
        within: |world, body| {
            // The kinds from which a task can return.
            syscall(KINDS.difference(Contexts::USER | Contexts::PID))?;
            body(world)
        },
        pidfd: parents_pidfd,
        ..PLAIN
    },
    Scene {
        name: "a task in the parent PID namespace",
        target: || Target::new(Contexts::UTS),
        within: nested_pid,
        requests: few,
        ..PLAIN
    },
    Scene {
        name: "a dead task",
        target: || Target::new(KINDS)?.ended(),
        requests: few,
        ..PLAIN
    },
    Scene {
        name: "a dead task that is not reaped",
        target: || Target::new(KINDS)?.zombie(),
        requests: few,
        ..PLAIN
    },
];

fn parents_pidfd(_: &Target) -> Result<OwnedFd> {
    let parent = getppid().context("no parent")?;
    Ok(pidfd_open(parent, PidfdFlags::empty())?)
}

/// For scenes in which the outcome is the same for each kind.
fn few() -> Vec<Contexts> {
    vec![Contexts::MOUNT, Contexts::USER, Contexts::PID, KINDS]
}

fn each_and_all() -> Vec<Contexts> {
    KINDS.each().chain([KINDS]).collect()
}

fn with_each(strong: &[Contexts]) -> Vec<Contexts> {
    let mut requests = each_and_all();
    for &strong in strong {
        requests.extend(KINDS.each().map(|kind| kind | strong));
    }
    requests.sort();
    requests.dedup();
    requests
}

fn pairs() -> Vec<Contexts> {
    with_each(&KINDS.each().collect::<Vec<_>>())
}
