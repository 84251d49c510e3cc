// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_FS`: root directory, working directory and umask.

use std::thread;

use anyhow::Result;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::unshare;
use crate::harness::Suite;
use crate::questions::{change_root, chdir, cwd, mask, root};
use crate::world::World;

const FS: Contexts = Contexts::FS;

pub(crate) fn suite() -> Suite {
    Suite::new("fs")
        .test("the copy has the same root, cwd and umask", comes_along)
        .test(
            "the caller's chdir does not change the sharer's cwd",
            own_cwd,
        )
        .test(
            "the sharer's chdir does not change the caller's cwd",
            others_cwd,
        )
        .test(
            "the caller's umask(2) does not change the sharer's umask",
            own_umask,
        )
        .test(
            "the caller's chroot does not change the sharer's root",
            own_root,
        )
        .test("a private one is not replaced", not_shared)
        .test("a second request replaces nothing", twice)
        .test("a thread gets its own cwd", thread)
}

fn comes_along() -> Result<()> {
    let world = World::sharing(FS)?;
    chdir("/proc")?;
    mask("27")?;
    // The snapshot also has the root, the cwd and the umask: they do not change.
    world.replaces(unshare(FS), FS, &["kcmp/fs"])?;
    ensure!(mask("")? == mask("27")?);
    Ok(())
}

fn own_cwd() -> Result<()> {
    let world = World::sharing(FS)?;
    chdir("/proc")?;
    world.replaces(unshare(FS), FS, &["kcmp/fs"])?;
    let old = cwd("")?;
    ensure!(chdir("/sys")? != old);
    ensure!(world.sharer.ask(cwd, "")? == old);
    Ok(())
}

fn others_cwd() -> Result<()> {
    let world = World::sharing(FS)?;
    world.replaces(unshare(FS), FS, &["kcmp/fs"])?;
    let old = cwd("")?;
    ensure!(world.sharer.ask(chdir, "/proc")? != old);
    ensure!(cwd("")? == old);
    Ok(())
}

fn own_umask() -> Result<()> {
    let world = World::sharing(FS)?;
    let old = mask("22")?;
    ensure!(
        world.sharer.ask(mask, "")? == old,
        "the umask is not shared"
    );
    world.replaces(unshare(FS), FS, &["kcmp/fs"])?;
    ensure!(mask("77")? != old);
    ensure!(world.sharer.ask(mask, "")? == old);
    Ok(())
}

fn own_root() -> Result<()> {
    let world = World::sharing(FS)?;
    world.replaces(unshare(FS), FS, &["kcmp/fs"])?;
    let old = root("")?;
    ensure!(change_root("/proc")? != old);
    ensure!(world.sharer.ask(root, "")? == old);
    Ok(())
}

fn not_shared() -> Result<()> {
    World::alone()?.replaces(unshare(FS), Contexts::empty(), &[])
}

fn twice() -> Result<()> {
    let world = World::sharing(FS)?;
    world.replaces(unshare(FS), FS, &["kcmp/fs"])?;
    world.replaces(unshare(FS), Contexts::empty(), &[])
}

fn thread() -> Result<()> {
    let mut world = World::alone()?;
    let old = chdir("/")?;
    let moved = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            world.watch_this_thread()?;
            world.replaces(unshare(FS), FS, &[])?;
            chdir("/proc")
        });
        thread.join().expect("the thread panicked")
    })?;
    ensure!(moved != old);
    ensure!(cwd("")? == old, "the other thread was moved too");
    Ok(())
}
