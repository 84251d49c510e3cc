// SPDX-License-Identifier: GPL-2.0-only

//! Targets that are someone else's, and callers that are not what they were.

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

/// A task of uid 1000 in a user namespace that it has made, and others in that.
pub(super) fn of_user() -> Result<Target> {
    let target = Target::new(Contexts::empty())?;
    target.ask(become_user_with_namespaces, "")?;
    Ok(target)
}

fn become_user_with_namespaces(_: &str) -> Result<String> {
    become_user(1000)?;
    make_namespaces("")
}

/// A [`Question`](crate::sharer::Question): the task goes to a user namespace that it makes, and to
/// others in that.
pub(super) fn make_namespaces(_: &str) -> Result<String> {
    // Those that it does not take a child to be in.
    syscall(KINDS.difference(Contexts::PID | Contexts::TIME))?;
    // Having got capabilities, it may not be looked at.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    Ok(String::new())
}

/// A [`Question`](crate::sharer::Question): the task's children are to be in another PID namespace than
/// it is.
pub(super) fn new_pid(_: &str) -> Result<String> {
    syscall(Contexts::PID)?;
    Ok(String::new())
}

/// A task in a user namespace below that of the caller, which is not the first one either.
pub(super) fn below() -> Result<Target> {
    syscall(Contexts::USER)?;
    map_root(0, 0)?;
    // Back from a new clock there would be no way.
    Target::new(KINDS.difference(Contexts::TIME))
}

/// From now on this thread does without some of its capabilities.
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
