// SPDX-License-Identifier: GPL-2.0-only

//! As uid 1000, with an open device node: what unshare(2) allows to every user, and no more.

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::backend::{Backend, syscall};
use crate::check::ensure;
use crate::child::in_child;
use crate::conditions::become_user;
use crate::contexts::mount::{folder, mount_tmpfs};
use crate::contexts::user::map_root;
use crate::device::{Device, LOCAL, unshare};
use crate::everything::{PROCESS, SHARED, all_at_once, points};
use crate::harness::Suite;
use crate::machine::{OpenToAll, Setting};
use crate::questions::{change_root, chdir, set_hostname};
use crate::world::World;

const ALICE: u32 = 1000;
const USER: Contexts = Contexts::USER;
const NET: Contexts = Contexts::NET;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("unprivileged")
        .test("only root may open the device by default", closed_node)
        .test(
            "what a process shares can be unshared without privilege",
            no_privilege,
        )
        .test("UNSHARE_IOC_LOCAL needs no privilege", by_local)
        .test("CLONE_NEWUSER works, and ids can be mapped", user)
        .test(
            "CLONE_NEWUSER with CLONE_NEWNET gives every capability in the new network",
            user_and_net,
        )
        .test(
            "CLONE_NEWUSER with CLONE_NEWNS lets the caller mount",
            user_and_mount,
        )
        .test(
            "CLONE_NEWUSER with all other contexts replaces all of them",
            user_and_all,
        )
        .test(
            "several namespaces: EPERM, the first that would be made",
            first_of_many,
        )
        .test(
            "with kernel.unprivileged_userns_clone=0: EPERM, CLONE_NEWUSER",
            forbidden,
        )
        .test("in a chroot: EPERM, CLONE_NEWUSER", chrooted);
    let namespaces = all_at_once().difference(SHARED | USER);
    namespaces.each().fold(suite, |suite, kind| {
        suite.test(
            format!("{kind} without CLONE_NEWUSER: EPERM, that kind"),
            move || {
                as_alice(|| sharing(SHARED)?.refuses(unshare(kind | SHARED), Errno::PERM, kind))
            },
        )
    })
}

/// Opens the node to every user, and runs something as uid 1000.
fn as_alice(body: impl FnOnce() -> Result<()>) -> Result<()> {
    let opened = OpenToAll::new()?;
    let outcome = in_child(|| {
        body()?;
        Ok(String::new())
    });
    drop(opened);
    outcome.map(drop)
}

/// A world in which the caller is uid 1000 and opens the device; the witness is root.
fn sharing(contexts: Contexts) -> Result<World> {
    let mut world = World::sharing(contexts)?;
    become_user(ALICE)?;
    world.device = Device::open()?;
    Ok(world)
}

fn closed_node() -> Result<()> {
    in_child(|| {
        become_user(ALICE)?;
        let error = Device::open().err().map(|error| error.to_string());
        ensure!(error.is_some(), "uid {ALICE} could open it");
        Ok(String::new())
    })
    .map(drop)
}

fn no_privilege() -> Result<()> {
    as_alice(|| {
        let world = sharing(PROCESS)?;
        let (reply, changed) = world.commit(unshare(PROCESS))?;
        world.ensure_replaced(reply, PROCESS)?;
        ensure!(changed == points(PROCESS), "{changed:?}");
        Ok(())
    })
}

fn by_local() -> Result<()> {
    as_alice(|| {
        let world = sharing(PROCESS)?;
        world.ensure_replaced(world.device.request(LOCAL, unshare(PROCESS)), PROCESS)?;
        let reply = world.device.request(LOCAL, unshare(USER));
        ensure!(
            reply.errno == Some(Errno::PERM) && reply.failed == USER,
            "{reply:?}"
        );
        Ok(())
    })
}

/// Unshares the user namespace and `more` as uid 1000. Returns a world in which the caller is root
/// of it.
fn with_user(more: Contexts) -> Result<World> {
    let world = sharing(Contexts::empty())?;
    let bits = USER | more;
    let implied = match more.contains(Contexts::MOUNT) {
        true => Contexts::FS,
        false => Contexts::empty(),
    };
    world.ensure_replaced(world.device.commit(unshare(bits)), bits | implied)?;
    map_root(ALICE, ALICE)?;
    Ok(world)
}

fn user() -> Result<()> {
    as_alice(|| {
        with_user(Contexts::empty())?;
        ensure!(rustix::process::getuid().is_root());
        ensure!(set_hostname("not-ours").is_err());
        Ok(())
    })
}

fn user_and_net() -> Result<()> {
    as_alice(|| {
        let world = with_user(NET)?;
        ensure!(world.snapshot()?.get("CapEff")? == world.snapshot()?.get("CapBnd")?);
        // Needs CAP_NET_ADMIN in that namespace.
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
        Ok(())
    })
}

fn user_and_mount() -> Result<()> {
    let path = folder("unprivileged")?;
    as_alice(|| {
        with_user(Contexts::MOUNT)?;
        mount_tmpfs(&path).map(drop)
    })
}

fn user_and_all() -> Result<()> {
    as_alice(|| {
        let world = sharing(PROCESS)?;
        let all = all_at_once() | PROCESS;
        let reply = world.device.commit(unshare(all));
        world.ensure_replaced(reply, all)
    })
}

/// The order in which the namespaces are created.
fn first_of_many() -> Result<()> {
    use Contexts as C;
    let order = [C::MOUNT, C::UTS, C::IPC, C::PID, C::CGROUP, C::NET, C::TIME];
    as_alice(|| {
        let world = sharing(SHARED)?;
        for (place, &first) in order.iter().enumerate() {
            let asked = order[place..].iter().fold(SHARED, |all, &kind| all | kind);
            world.refuses(unshare(asked), Errno::PERM, first)?;
        }
        Ok(())
    })
}

fn forbidden() -> Result<()> {
    let _forbidden = Setting::sysctl("kernel/unprivileged_userns_clone", "0")?;
    as_alice(|| {
        let world = sharing(SHARED)?;
        world.refuses(unshare(USER), Errno::PERM, USER)?;
        world.refuses(unshare(all_at_once()), Errno::PERM, USER)?;
        let same = Backend::Syscall.unshare(&world.device, USER);
        ensure!(same == Err(Errno::PERM), "the syscall says {same:?}");
        Ok(())
    })
}

fn chrooted() -> Result<()> {
    as_alice(|| {
        let world = World::sharing(SHARED.difference(Contexts::FS))?;
        change_root("/sys")?;
        chdir("/")?;
        become_user(ALICE)?;
        world.refuses(unshare(USER | NET), Errno::PERM, USER)?;
        ensure!(syscall(USER) == Err(Errno::PERM));
        Ok(())
    })
}
