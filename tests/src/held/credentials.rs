// SPDX-License-Identifier: GPL-2.0-only

//! Which tasks may enter.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::thread;

use anyhow::Result;
use rustix::io::Errno;
use rustix::process::Uid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_keep_capabilities,
    set_thread_res_uid,
};
use unshare_device::Contexts;

use super::{ALL, Eye, Held, KINDS, points};
use crate::attach::target::Target;
use crate::check::ensure;
use crate::child::in_child;
use crate::conditions::become_user;
use crate::contexts::mount::folder;
use crate::device::{Device, checked, unshare};
use crate::harness::Suite;
use crate::questions::chdir;
use crate::sharer::Sharer;

pub(super) const ALICE: u32 = 1000;

pub(crate) fn suite() -> Suite {
    Suite::new("held_credentials")
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
            "changed credentials are checked, also if they are changed back",
            changed_back,
        )
        .test(
            "with the credentials that made it, nothing is checked again",
            no_check,
        )
        .test(
            "after setuid(3) by one thread, all threads of the process are checked",
            all_threads,
        )
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
pub(super) fn drop_effective(dropped: CapabilitySet) -> Result<CapabilitySets> {
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

/// A question: lets root alone search a folder.
pub(super) fn close(path: &str) -> Result<String> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    Ok(path.to_owned())
}

/// Has a descriptor hold the root directory of the caller and this working directory.
pub(super) fn held_in(path: &str) -> Result<Held> {
    let target = Target::of(Sharer::new(Contexts::empty())?)?;
    target.ask(chdir, path)?;
    Held::of(&Device::open()?, target.attach(Contexts::FS))
}

/// Becomes a user with all that setns(2) and chroot(2) want, and no way past the mode of a directory.
pub(super) fn become_user_with_capabilities() -> Result<()> {
    let ids = Uid::from_raw(ALICE);
    set_keep_capabilities(true)?;
    let had = capabilities(None)?;
    set_thread_res_uid(ids, ids, ids)?;
    let past = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    let effective = had.effective.difference(past);
    Ok(set_capabilities(None, CapabilitySets { effective, ..had })?)
}

fn no_search() -> Result<()> {
    let held = held_in(&close(&folder("held-no-search")?)?)?;
    in_child(|| {
        become_user_with_capabilities()?;
        let entered = held.enter();
        ensure!(entered == Err(Errno::ACCESS), "{entered:?}");
        Ok(String::new())
    })
    .map(drop)
}

/// The permission was checked when the context was prepared.
fn no_check() -> Result<()> {
    let path = folder("held-no-check")?;
    fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    let closer = Sharer::new(Contexts::empty())?;
    let device = Device::open()?;
    become_user_with_capabilities()?;
    env::set_current_dir(&path)?;
    let held = Held::of(&device, unshare(Contexts::FS))?;
    env::set_current_dir("/")?;
    closer.ask(close, &path)?;
    ensure!(env::set_current_dir(&path).is_err(), "it is open to a user");
    held.inside(|| Ok(()))?;
    thread::scope(|scope| {
        // A thread that has the very same credentials.
        let sibling = scope.spawn(|| held.inside(|| Ok(())));
        sibling.join().expect("the sibling panicked")
    })?;
    // The same capabilities, in other credentials.
    drop_effective(CapabilitySet::empty())?;
    let entered = held.enter();
    ensure!(entered == Err(Errno::ACCESS), "{entered:?}");
    Ok(())
}

fn changed_back() -> Result<()> {
    let held = Held::new(ALL)?;
    let had = drop_effective(CapabilitySet::SYS_ADMIN)?;
    ensure!(held.enter() == Err(Errno::PERM));
    set_capabilities(None, had)?;
    held.inside(|| Ok(()))
}

/// setuid(3) of a C library has each thread change its own credentials.
fn all_threads() -> Result<()> {
    let held = Held::new(Contexts::NET)?;
    let step = Barrier::new(2);
    thread::scope(|scope| {
        let sibling = scope.spawn(|| {
            held.enter()?;
            step.wait();
            step.wait();
            // It is root as before, in credentials of its own.
            held.leave()?;
            held.enter()?;
            step.wait();
            step.wait();
            let outcome = (held.leave(), held.enter());
            ensure!(
                outcome == (Err(Errno::PERM), Err(Errno::PERM)),
                "{outcome:?}"
            );
            Ok(())
        });
        for id in [0, ALICE] {
            step.wait();
            // SAFETY: setuid(3) takes a number only.
            checked(unsafe { libc::setuid(id) })?;
            step.wait();
        }
        ensure!(held.enter() == Err(Errno::PERM));
        sibling.join().expect("the sibling panicked")
    })
}
