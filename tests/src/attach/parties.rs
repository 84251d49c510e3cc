// SPDX-License-Identifier: GPL-2.0-only

//! Targets of another user, and callers with changed credentials or namespaces.

use anyhow::Result;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use unshare_device::Contexts;

use super::target::{KINDS, Target};
use crate::backend::syscall;
use crate::child::in_child;
use crate::conditions::become_user;
use crate::contexts::user::map_root;
use crate::situations::Body;
use crate::world::World;

/// A task of uid 1000 in a user namespace that it has made, with other namespaces that belong to
/// it.
pub(super) fn of_user() -> Result<Target> {
    let target = Target::new(Contexts::empty())?;
    target.ask(become_user_with_namespaces, "")?;
    Ok(target)
}

fn become_user_with_namespaces(_: &str) -> Result<String> {
    become_user(1000)?;
    make_namespaces("")
}

/// A [`Question`](crate::sharer::Question): the task makes a user namespace and other namespaces in
/// it.
pub(super) fn make_namespaces(_: &str) -> Result<String> {
    // Without the kinds that only a child can be in.
    syscall(KINDS.difference(Contexts::PID | Contexts::TIME))?;
    // A task that has gained capabilities is not dumpable, so others may not look into it.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    Ok(String::new())
}

/// A [`Question`](crate::sharer::Question): puts the task's future children into another PID
/// namespace than its own.
pub(super) fn new_pid(_: &str) -> Result<String> {
    syscall(Contexts::PID)?;
    Ok(String::new())
}

/// A task in a user namespace below the caller's, which is not the initial one.
pub(super) fn below() -> Result<Target> {
    syscall(Contexts::USER)?;
    map_root(0, 0)?;
    // A task cannot return from a new clock.
    Target::new(KINDS.difference(Contexts::TIME))
}

/// Takes some capabilities from this thread, for good.
pub(super) fn without(lost: CapabilitySet) -> Result<()> {
    let mut sets = capabilities(None)?;
    sets.effective -= lost;
    Ok(set_capabilities(None, sets)?)
}

pub(super) fn nested_pid(world: &mut World, body: Body<'_>) -> Result<String> {
    syscall(Contexts::PID)?;
    in_child(|| {
        world.watch_this_thread()?;
        body(world)
    })
}
