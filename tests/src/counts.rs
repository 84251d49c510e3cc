// SPDX-License-Identifier: GPL-2.0-only

//! `user.max_*_namespaces`: a namespace that no task gets does not count.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::backend::syscall;
use crate::check::ensure;
use crate::contexts::user::map_root;
use crate::device::{Args, Device, unshare};
use crate::dry_run::dry;
use crate::harness::Suite;
use crate::world::World;

/// The kinds whose count drops at once. A user namespace counts until it is freed.
const KINDS: [(Contexts, &str); 7] = [
    (Contexts::MOUNT, "mnt"),
    (Contexts::UTS, "uts"),
    (Contexts::IPC, "ipc"),
    (Contexts::PID, "pid"),
    (Contexts::CGROUP, "cgroup"),
    (Contexts::NET, "net"),
    (Contexts::TIME, "time"),
];

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("counts")
        .test("all kinds: dry runs at a limit of one leave room for a request", all_dry)
        .test(
            "failed requests for a user namespace and namespaces that it owns leave room for a request",
            owned,
        )
        .test("no count is decremented twice", once);
    KINDS.into_iter().fold(suite, |suite, (kind, name)| {
        let suite = suite.test(
            format!("{kind}: dry runs at a limit of one leave room for a request"),
            move || leaves_room(kind, name, dry(unshare(kind)), None),
        );
        if kind == Contexts::TIME {
            return suite;
        }
        suite.test(
            format!("{kind}: failed requests at a limit of one leave room for a request"),
            move || {
                let fails = unshare(kind | Contexts::TIME);
                leaves_room(kind, name, fails, Some((Errno::NOSPC, Contexts::TIME)))
            },
        )
    })
}

/// Puts the caller into its own user namespace, whose counts begin at zero, and opens the device.
fn at_limits(limits: &[(&str, u32)]) -> Result<Device> {
    let device = Device::open()?;
    syscall(Contexts::USER)?;
    map_root(0, 0)?;
    for (name, limit) in limits {
        let path = format!("/proc/sys/user/max_{name}_namespaces");
        fs::write(&path, limit.to_string()).context(path)?;
    }
    Ok(device)
}

/// After requests whose namespaces no task got, there is room for a real one.
fn leaves_room(
    kind: Contexts,
    name: &str,
    request: Args,
    failure: Option<(Errno, Contexts)>,
) -> Result<()> {
    let mut limits = vec![(name, 1)];
    if failure.is_some() {
        limits.push(("time", 0));
    }
    let device = at_limits(&limits)?;
    for number in 0..3 {
        let reply = device.commit(request);
        let answer = reply.errno.map(|errno| (errno, reply.failed));
        ensure!(answer == failure, "request {number}: {reply:?}");
    }
    let reply = device.commit(unshare(kind));
    ensure!(reply.errno.is_none(), "for real: {reply:?}");
    Ok(())
}

fn all_dry() -> Result<()> {
    let device = at_limits(&KINDS.map(|(_, name)| (name, 1)))?;
    let all = KINDS.into_iter().map(|(kind, _)| kind).collect();
    for _ in 0..3 {
        let reply = device.commit(dry(unshare(all)));
        ensure!(reply.errno.is_none(), "{reply:?}");
    }
    let reply = device.commit(unshare(all));
    ensure!(reply.errno.is_none(), "for real: {reply:?}");
    Ok(())
}

/// The new user namespace and those above it count the namespaces that it owns.
fn owned() -> Result<()> {
    let device = at_limits(&[("net", 1), ("pid", 1), ("ipc", 1), ("time", 0)])?;
    let owned = Contexts::USER | Contexts::NET | Contexts::PID | Contexts::IPC;
    for _ in 0..3 {
        let reply = device.commit(unshare(owned | Contexts::TIME));
        let answer = (reply.errno, reply.failed);
        ensure!(answer == (Some(Errno::NOSPC), Contexts::TIME), "{reply:?}");
    }
    let reply = device.commit(unshare(owned));
    ensure!(reply.errno.is_none(), "for real: {reply:?}");
    Ok(())
}

/// After the workers have freed the namespaces, the count is still that of the existing ones.
fn once() -> Result<()> {
    let device = at_limits(&[("net", 1), ("ipc", 1)])?;
    let both = Contexts::NET | Contexts::IPC;
    for _ in 0..3 {
        World::ensure_reply(device.commit(dry(unshare(both))), both)?;
    }
    World::ensure_reply(device.commit(unshare(both)), both)?;
    // The end of the workers cannot be waited for.
    sleep(Duration::from_secs(3));
    for kind in [Contexts::NET, Contexts::IPC] {
        let reply = device.commit(unshare(kind));
        let answer = (reply.errno, reply.failed);
        ensure!(answer == (Some(Errno::NOSPC), kind), "{reply:?}");
    }
    Ok(())
}
