// SPDX-License-Identifier: GPL-2.0-only

//! How the caller gets into a [`Situation`](crate::situations::Situation).

use std::fs::File;
use std::sync::mpsc;
use std::thread;

use anyhow::Result;
use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_res_uid, set_thread_uid};
use unshare_device::Contexts;

use crate::backend::syscall;
use crate::contexts::files::dup_to;
use crate::contexts::sysv::{Semaphore, value};
use crate::contexts::user::map_root;
use crate::machine::Setting;
use crate::questions::{change_root, chdir};
use crate::situations::Body;
use crate::world::World;

/// Changes this thread to a uid and its rights, for good.
pub(crate) fn become_user(id: u32) -> Result<()> {
    set_thread_groups(&[])?;
    set_thread_gid(Gid::from_raw(id))?;
    set_thread_uid(Uid::from_raw(id))?;
    // As for a program that this user has started: the user owns its files in /proc.
    Ok(set_dumpable_behavior(DumpableBehavior::Dumpable)?)
}

pub(crate) fn as_user(world: &mut World, body: Body<'_>) -> Result<String> {
    become_user(1000)?;
    body(world)
}

/// As [`as_user`], but the caller can return, to restore a sysctl.
pub(crate) fn as_user_for_now(world: &mut World, body: Body<'_>) -> Result<String> {
    let [root, user] = [0, 1000].map(Uid::from_raw);
    set_thread_res_uid(user, user, root)?;
    let outcome = body(world);
    set_thread_res_uid(root, root, root)?;
    outcome
}

pub(crate) fn with_thread(world: &mut World, body: Body<'_>) -> Result<String> {
    beside_thread(|| body(world))
}

/// Runs `body` while a second thread of this process does nothing.
pub(crate) fn beside_thread<T>(body: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (begin, begun) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            let _ = begin.send(());
            ended.recv().is_err()
        });
        // By then, the thread has mapped all memory that it needs.
        let _ = begun.recv();
        let outcome = body();
        drop(end);
        outcome
    })
}

pub(crate) fn in_chroot(world: &mut World, body: Body<'_>) -> Result<String> {
    // The sharer has this root, too; only the witness has a different one.
    change_root("/sys")?;
    chdir("/")?;
    body(world)
}

pub(crate) fn in_user_namespace(world: &mut World, body: Body<'_>) -> Result<String> {
    syscall(Contexts::USER)?;
    map_root(0, 0)?;
    body(world)
}

pub(crate) fn unmapped(world: &mut World, body: Body<'_>) -> Result<String> {
    syscall(Contexts::USER)?;
    body(world)
}

pub(crate) fn too_deep(world: &mut World, body: Body<'_>) -> Result<String> {
    while syscall(Contexts::USER).is_ok() {
        map_root(0, 0)?;
    }
    body(world)
}

pub(crate) fn pending_pid(world: &mut World, body: Body<'_>) -> Result<String> {
    syscall(Contexts::PID)?;
    body(world)
}

pub(crate) fn with_adjustments(world: &mut World, body: Body<'_>) -> Result<String> {
    // What remains of it ends with a namespace of this test.
    syscall(Contexts::IPC)?;
    *world = World::here(Contexts::FS)?;
    let semaphore = Semaphore::new()?;
    semaphore.add_with_undo(5)?;
    let outcome = body(world)?;
    let left = world.witness.ask(value, &semaphore.id())?;
    Ok(format!("{outcome}\nsemaphore: {left}"))
}

pub(crate) fn nr_open_lowered(world: &mut World, body: Body<'_>) -> Result<String> {
    dup_to(&File::open("/proc/version")?, 1000)?;
    let _lowered = Setting::sysctl("fs/nr_open", "64")?;
    body(world)
}
