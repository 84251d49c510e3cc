// SPDX-License-Identifier: GPL-2.0-only

//! Whether a thread may leave with credentials other than those with which it entered.

use std::env;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Uid, chroot, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, set_capabilities, set_thread_res_uid};
use unshare_device::Contexts;

use super::credentials::{ALICE, become_user_with_capabilities, close, drop_effective, held_in};
use super::{ALL, Eye, Held};
use crate::backend::syscall;
use crate::check::ensure;
use crate::contexts::mount::folder;
use crate::contexts::user::map_root;
use crate::harness::Suite;
use crate::questions::root;
use crate::sharer::Sharer;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("held_privileges")
        .test(
            "a thread that has given up its privileges inside: EPERM, until it has them again",
            given_up,
        )
        .test("a thread that is another user inside: EPERM", another_user)
        .test(
            "a thread that has made a user namespace inside: EPERM",
            user_namespace,
        )
        .test(
            "a thread that has made a user namespace inside of directories: EPERM",
            user_namespace_with_directories,
        )
        .test(
            "in a user namespace, the thread cannot move the root of a sharer outside",
            user_namespace_with_sharer,
        )
        .test(
            "a working directory that the thread may not search any more: EPERM",
            no_way_back,
        )
        .test(
            "other credentials that could go back: it leaves",
            still_able,
        );
    ALL.each().fold(suite, |suite, kind| {
        suite.test(
            format!("{kind} is not left without CAP_SYS_ADMIN or CAP_SYS_CHROOT"),
            move || without_capabilities(kind),
        )
    })
}

fn given_up() -> Result<()> {
    let held = Held::new(ALL)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.enter()?;
    let inside = eye.view()?;
    let had = drop_effective(CapabilitySet::SYS_ADMIN)?;
    for _ in 0..2 {
        ensure!(held.leave() == Err(Errno::PERM));
        inside.ensure_same(&eye.view()?)?;
        ensure!(held.threads().is_ok_and(|threads| threads == 1));
    }
    set_capabilities(None, had)?;
    held.leave()?;
    before.ensure_same(&eye.view()?)
}

fn without_capabilities(kind: Contexts) -> Result<()> {
    let held = Held::new(kind)?;
    held.enter()?;
    let needed = match kind {
        Contexts::FS => CapabilitySet::SYS_CHROOT,
        _ => CapabilitySet::SYS_ADMIN,
    };
    let had = drop_effective(needed)?;
    ensure!(held.leave() == Err(Errno::PERM));
    set_capabilities(None, had)?;
    if kind == Contexts::MOUNT {
        let had = drop_effective(CapabilitySet::SYS_CHROOT)?;
        ensure!(held.leave() == Err(Errno::PERM));
        set_capabilities(None, had)?;
    }
    Ok(held.leave()?)
}

fn another_user() -> Result<()> {
    let held = Held::new(Contexts::NET)?;
    let eye = Eye::new()?;
    held.enter()?;
    let inside = eye.view()?;
    let alice = Uid::from_raw(ALICE);
    set_thread_res_uid(alice, alice, alice)?;
    ensure!(held.leave() == Err(Errno::PERM));
    // A process that is not root's own may not read its links.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    inside.ensure_same(&eye.view().context("its links")?)
}

fn user_namespace() -> Result<()> {
    let held = Held::new(Contexts::UTS)?;
    held.enter()?;
    syscall(Contexts::USER)?;
    map_root(0, 0)?;
    ensure!(held.leave() == Err(Errno::PERM));
    Ok(())
}

/// In its new user namespace, the thread could move the root of a task outside that shares the directories.
fn user_namespace_with_sharer() -> Result<()> {
    let sharer = Sharer::new(Contexts::FS)?;
    user_namespace_with_directories()?;
    let before = sharer.ask(root, "")?;
    chroot(folder("held-user-namespace")?)?;
    ensure!(sharer.ask(root, "")? == before, "the sharer's root moved");
    Ok(())
}

fn user_namespace_with_directories() -> Result<()> {
    let held = Held::new(Contexts::FS)?;
    let eye = Eye::new()?;
    held.enter()?;
    syscall(Contexts::USER)?;
    map_root(0, 0)?;
    let inside = eye.view()?;
    ensure!(held.leave() == Err(Errno::PERM));
    inside.ensure_same(&eye.view()?)
}

/// setns(2) and chroot(2) would refuse the way back, so LEAVE does, and says so as it does for a missing capability.
fn no_way_back() -> Result<()> {
    env::set_current_dir(close(&folder("held-no-way-back")?)?)?;
    let held = held_in("/")?;
    held.enter()?;
    become_user_with_capabilities()?;
    ensure!(held.leave() == Err(Errno::PERM));
    Ok(())
}

fn still_able() -> Result<()> {
    let held = Held::new(ALL)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.enter()?;
    drop_effective(CapabilitySet::NET_ADMIN)?;
    held.leave()?;
    before.ensure_same(&eye.view()?)
}
