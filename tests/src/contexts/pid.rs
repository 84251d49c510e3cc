// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_NEWPID`: the PIDs of future children.

use anyhow::Result;
use rustix::io::Errno;
use rustix::process::getpid;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::child::in_child;
use crate::conditions::beside_thread;
use crate::device::unshare;
use crate::harness::Suite;
use crate::questions::pid;
use crate::world::World;

const PID: Contexts = Contexts::PID;

pub(crate) fn suite() -> Suite {
    Suite::new("pid")
        .test(
            "the caller keeps its PID, and its first child gets PID 1",
            first_child,
        )
        .test(
            "while the first child lives, the second gets PID 2",
            second_child,
        )
        .test(
            "a second request, before or after the first child: EINVAL",
            again,
        )
        .test("a process with threads gets a PID namespace", threads)
}

fn first_child() -> Result<()> {
    let world = World::alone()?;
    let own = getpid();
    world.replaces(unshare(PID), PID, &["ns/pid_for_children"])?;
    ensure!(getpid() == own);
    ensure!(in_child(|| pid(""))? == "1");
    Ok(())
}

fn second_child() -> Result<()> {
    let world = World::alone()?;
    world.replaces(unshare(PID), PID, &["ns/pid_for_children"])?;
    let first = crate::sharer::Sharer::new(Contexts::empty())?;
    ensure!(first.ask(pid, "")? == "1");
    ensure!(in_child(|| pid(""))? == "2");
    Ok(())
}

fn again() -> Result<()> {
    let world = World::alone()?;
    world.replaces(unshare(PID), PID, &["ns/pid_for_children"])?;
    world.refuses(unshare(PID), Errno::INVAL, PID)?;
    let _first = crate::sharer::Sharer::new(Contexts::empty())?;
    world.refuses(unshare(PID | Contexts::UTS), Errno::INVAL, PID)
}

fn threads() -> Result<()> {
    let world = World::alone()?;
    beside_thread(|| world.replaces(unshare(PID), PID, &["ns/pid_for_children"]))
}
