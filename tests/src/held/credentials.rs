// SPDX-License-Identifier: GPL-2.0-only

//! Which tasks may enter, and whether a thread may leave with credentials other than those of its ENTER.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::Uid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_keep_capabilities,
    set_thread_res_uid,
};
use unshare_device::Contexts;

use super::{ALL, Eye, Held, KINDS, points};
use crate::attach::target::Target;
use crate::backend::syscall;
use crate::check::ensure;
use crate::child::in_child;
use crate::conditions::become_user;
use crate::contexts::mount::folder;
use crate::contexts::user::map_root;
use crate::device::Device;
use crate::harness::Suite;
use crate::questions::chdir;
use crate::sharer::Sharer;

const ALICE: u32 = 1000;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("held_credentials")
        .test(
            "another process of root's enters, and leaves",
            another_process,
        )
        .test(
            "a user who was given the descriptor: EPERM for each kind, and nothing changes",
            a_user,
        )
        .test("root directory without CAP_SYS_CHROOT: EPERM", no_chroot)
        .test("a directory that may not be searched: EACCES", no_search)
        .test(
            "with the credentials that made it, no capability is needed",
            no_check,
        )
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

fn another_process() -> Result<()> {
    for contexts in [
        KINDS.difference(Contexts::PID),
        ALL,
        Contexts::FS,
        Contexts::NET,
    ] {
        let held = Held::new(contexts)?;
        let eye_points = |eye: &Eye| eye.view();
        in_child(|| {
            let eye = Eye::new()?;
            let before = eye_points(&eye)?;
            let inside = held.inside(|| eye.view())?;
            let changed = before.changed(&inside);
            ensure!(changed == points(contexts), "{contexts}: {changed:?}");
            before.ensure_same(&eye.view()?)?;
            Ok(String::new())
        })?;
    }
    Ok(())
}

fn a_user() -> Result<()> {
    for contexts in ALL.each().chain([ALL]) {
        let held = Held::new(contexts)?;
        in_child(|| {
            become_user(ALICE)?;
            let eye = Eye::new()?;
            let before = eye.view()?;
            let entered = held.enter();
            ensure!(entered == Err(Errno::PERM), "{contexts}: {entered:?}");
            ensure!(held.leave() == Err(Errno::INVAL));
            before.ensure_same(&eye.view()?)?;
            Ok(String::new())
        })?;
    }
    Ok(())
}

/// Takes capabilities out of effect.
fn drop_effective(dropped: CapabilitySet) -> Result<CapabilitySets> {
    let had = capabilities(None)?;
    let effective = had.effective.difference(dropped);
    set_capabilities(None, CapabilitySets { effective, ..had })?;
    Ok(had)
}

fn no_chroot() -> Result<()> {
    let held = Held::new(Contexts::FS)?;
    in_child(|| {
        drop_effective(CapabilitySet::SYS_CHROOT)?;
        ensure!(held.enter() == Err(Errno::PERM));
        Ok(String::new())
    })
    .map(drop)
}

fn no_search() -> Result<()> {
    let path = folder("held-no-search")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    let target = Target::of(Sharer::new(Contexts::empty())?)?;
    target.ask(chdir, &path)?;
    let held = Held::of(&Device::open()?, target.attach(Contexts::FS))?;
    in_child(|| {
        let ids = Uid::from_raw(ALICE);
        set_keep_capabilities(true)?;
        let had = capabilities(None)?;
        set_thread_res_uid(ids, ids, ids)?;
        // All that setns(2) and chroot(2) want, and no way past the mode of a directory.
        let past = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        let effective = had.effective.difference(past);
        set_capabilities(None, CapabilitySets { effective, ..had })?;
        let entered = held.enter();
        ensure!(entered == Err(Errno::ACCESS), "{entered:?}");
        Ok(String::new())
    })
    .map(drop)
}

/// The check was made when the context was prepared.
fn no_check() -> Result<()> {
    let held = Held::new(ALL)?;
    thread::scope(|scope| {
        // A thread that has the very same credentials.
        let sibling = scope.spawn(|| held.inside(|| Ok(())));
        sibling.join().expect("the sibling panicked")
    })?;
    // A change and a change back are other credentials: a check, which root passes.
    let had = drop_effective(CapabilitySet::SYS_ADMIN)?;
    ensure!(held.enter() == Err(Errno::PERM));
    set_capabilities(None, had)?;
    held.inside(|| Ok(()))
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
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
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

fn still_able() -> Result<()> {
    let held = Held::new(ALL)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.enter()?;
    drop_effective(CapabilitySet::NET_ADMIN)?;
    held.leave()?;
    before.ensure_same(&eye.view()?)
}
