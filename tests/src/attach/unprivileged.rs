// SPDX-License-Identifier: GPL-2.0-only

//! As uid 1000, with an open device node: what setns(2) allows to every user.

use std::fs;

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use super::kinds::taken;
use super::parties::{make_namespaces, of_user};
use super::target::{KINDS, Target};
use crate::check::ensure;
use crate::child::in_child;
use crate::conditions::become_user;
use crate::device::{Device, unshare};
use crate::everything::SHARED;
use crate::harness::Suite;
use crate::machine::OpenToAll;
use crate::questions::chdir;
use crate::world::World;

const USER: Contexts = Contexts::USER;

pub(crate) fn suite() -> Suite {
    Suite::new("attach_unprivileged")
        .test(
            "a user attaches to all contexts of its own task in a user namespace",
            users_own,
        )
        .test(
            "a user attaches and unshares what requires privilege in that user namespace",
            users_new_net,
        )
        .test("a user attaches to its own child", own_child)
}

/// Runs `body` as the user 1000, who may open the device.
fn as_alice(body: impl FnOnce(&World) -> Result<()>) -> Result<()> {
    let _opened = OpenToAll::new()?;
    in_child(|| {
        let mut world = World::sharing(SHARED)?;
        become_user(1000)?;
        world.device = Device::open()?;
        body(&world)?;
        Ok(String::new())
    })
    .map(drop)
}

/// The namespaces that `of_user` makes.
const OF_USER: Contexts = KINDS.difference(Contexts::PID.union(Contexts::TIME));

fn users_own() -> Result<()> {
    let target = of_user()?;
    // That user may not enter root's home.
    target.ask(chdir, "/")?;
    as_alice(|world| {
        let own = target.attach(OF_USER | Contexts::FS);
        taken(world, own, OF_USER | SHARED.difference(Contexts::FILES))?;
        let (own, theirs) = (world.snapshot()?, target.snapshot(world)?);
        for point in [
            "ns/mnt",
            "ns/uts",
            "ns/ipc",
            "ns/net",
            "ns/cgroup",
            "ns/user",
        ] {
            ensure!(own.get(point)? == theirs.get(point)?, "{point}");
        }
        Ok(())
    })
}

fn users_new_net() -> Result<()> {
    const NET: Contexts = Contexts::NET;
    let target = of_user()?;
    as_alice(|world| {
        world.refuses(unshare(NET), Errno::PERM, NET)?;
        let request = target.attach_and(USER, NET);
        let points = ["CapEff", "CapPrm", "kcmp/fs", "ns/net", "ns/user"];
        world.replaces(request, USER | NET | Contexts::FS, &points)?;
        // Needs CAP_NET_ADMIN in that namespace.
        Ok(fs::write("/proc/sys/net/ipv4/ip_forward", "1")?)
    })
}

fn own_child() -> Result<()> {
    as_alice(|world| {
        let child = Target::new(Contexts::empty())?;
        child.ask(make_namespaces, "")?;
        let request = child.attach(USER | Contexts::NET);
        taken(world, request, USER | Contexts::NET | Contexts::FS).map(drop)
    })
}
