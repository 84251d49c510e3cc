// SPDX-License-Identifier: GPL-2.0-only

//! `UNSHARE_IOC_LOCAL`: COMMIT for requests that need no privilege.

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::{Args, LOCAL, Reply, UNSHARE_EMPTY_MNTNS, close_range, unshare};
use crate::everything::{PROCESS, points};
use crate::harness::Suite;
use crate::questions::open_here;
use crate::world::World;

const UNPRIVILEGED: Contexts = PROCESS;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("local")
        .test("all that a process shares is replaced", allowed)
        .test("a close range works", with_close_range)
        .test("several namespaces: EPERM, the lowest", lowest)
        .test("an attach bit: EPERM, that bit", attach)
        .test("a namespace and an unknown bit: EINVAL", unknown_first);
    Contexts::NAMESPACES.each().fold(suite, |suite, namespace| {
        suite.test(format!("{namespace}: EPERM, that namespace"), move || {
            refuses(unshare(namespace | UNPRIVILEGED), Errno::PERM, namespace)
        })
    })
}

fn refuses(args: Args, errno: Errno, failed: Contexts) -> Result<()> {
    let world = World::sharing(UNPRIVILEGED)?;
    let before = world.snapshot()?;
    let reply = world.device.request(LOCAL, args);
    let expected = Reply {
        errno: Some(errno),
        replaced: Contexts::empty(),
        failed,
    };
    ensure!(reply == expected, "{reply:?} instead of {expected:?}");
    before.ensure_same(&world.snapshot()?)
}

fn allowed() -> Result<()> {
    let world = World::sharing(UNPRIVILEGED)?;
    let before = world.snapshot()?;
    let reply = world.device.request(LOCAL, unshare(UNPRIVILEGED));
    world.ensure_replaced(reply, UNPRIVILEGED)?;
    let changed = before.changed(&world.snapshot()?);
    ensure!(changed == points(UNPRIVILEGED), "{changed:?}");
    Ok(())
}

fn with_close_range() -> Result<()> {
    let world = World::sharing(Contexts::FILES)?;
    let other = rustix::io::dup(&world.device)?;
    let number = std::os::fd::IntoRawFd::into_raw_fd(other);
    let range = u32::try_from(number)?;
    let reply = world
        .device
        .request(LOCAL, close_range(Contexts::FILES, range, range));
    world.ensure_replaced(reply, Contexts::FILES)?;
    ensure!(!open_here(number));
    Ok(())
}

fn lowest() -> Result<()> {
    let all = Contexts::NAMESPACES;
    let lowest = Contexts::from_bits_retain(1 << all.bits().trailing_zeros());
    refuses(unshare(all), Errno::PERM, lowest)?;
    // The syscall's own bit is reported by the name that clone3(2) has.
    refuses(
        unshare(UNSHARE_EMPTY_MNTNS),
        Errno::PERM,
        Contexts::EMPTY_MNTNS,
    )
}

fn attach() -> Result<()> {
    let attach = Contexts::NET.bits();
    refuses(
        Args {
            attach,
            ..unshare(UNPRIVILEGED)
        },
        Errno::PERM,
        Contexts::NET,
    )
}

fn unknown_first() -> Result<()> {
    let unknown = Contexts::from_bits_retain(1 << 63);
    refuses(
        unshare(Contexts::NET | unknown),
        Errno::INVAL,
        Contexts::empty(),
    )
}
