// SPDX-License-Identifier: GPL-2.0-only

//! Targets that change their namespaces, execute another program or exit while a request attaches
//! to them. The request gets namespaces that belong together, or `ESRCH`.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};
use unshare_device::Contexts;

use super::target::attach;
use crate::backend::syscall;
use crate::check::{bail, ensure};
use crate::child::{Child, in_child};
use crate::contexts::user::map_root;
use crate::device::{Device, checked};
use crate::harness::Suite;
use crate::scale::{dice, limit, rounds};
use crate::tally::{Tried, tried};

/// What a target changes in one request, each time.
const CHANGED: Contexts = Contexts::USER
    .union(Contexts::MOUNT)
    .union(Contexts::UTS)
    .union(Contexts::IPC);

/// Nearly as many as the maximum nesting of user namespaces.
const GENERATIONS: u64 = 28;

pub(crate) fn suite() -> Suite {
    Suite::new("attach_race").slow(
        "from a target that changes its namespaces, the caller gets one complete set or none",
        limit(),
        one_set_or_none,
    )
}

fn one_set_or_none() -> Result<()> {
    let mut dice = dice("attach_race");
    let wanted = rounds(40, 20_000);
    let mut taken = 0;
    while taken < wanted {
        let generations = 1 + dice.u64(..GENERATIONS);
        // Making a network namespace takes longer than all others.
        let more = match dice.u64(..4) {
            0 => Contexts::NET,
            _ => Contexts::empty(),
        };
        let executes = dice.bool();
        let target = Child::spawn(|| live(generations, CHANGED | more, executes))?;
        let pidfd = pidfd_open(target.pid, PidfdFlags::empty())?;
        let followed = in_child(|| follow(&pidfd, CHANGED | more).map(|count| count.to_string()));
        taken += followed?.parse::<usize>()?;
    }
    Ok(())
}

/// The life of a target: in each generation, all its namespaces belong to its user namespace.
fn live(generations: u64, changed: Contexts, executes: bool) -> Result<String> {
    for _ in 0..generations {
        syscall(changed)?;
        map_root(0, 0)?;
    }
    if executes {
        bail!(Command::new("/bin/true").exec());
    }
    Ok(String::new())
}

/// Attaches to the target again and again, until it has died. Returns how often that succeeded.
fn follow(pidfd: &OwnedFd, kinds: Contexts) -> Result<usize> {
    let device = Device::open()?;
    let mut taken = 0;
    loop {
        let reply = device.commit(attach(pidfd, kinds, Contexts::empty()));
        match reply.errno {
            None => {
                tried(Tried::Race);
                taken += 1;
                ensure_one_set(kinds).with_context(|| format!("after {taken} times"))?;
            }
            // The target has not changed since.
            Some(Errno::INVAL) if reply.failed == Contexts::USER => {}
            Some(Errno::SRCH) => break,
            _ => bail!("{reply:?}"),
        }
    }
    ensure_one_set(kinds)?;
    Ok(taken)
}

/// Checks that all namespaces of the caller belong to its user namespace.
fn ensure_one_set(kinds: Contexts) -> Result<()> {
    let own = fstat(File::open("/proc/self/ns/user")?)?.st_ino;
    for kind in kinds.difference(Contexts::USER).each() {
        let name = match kind {
            Contexts::MOUNT => "mnt",
            Contexts::UTS => "uts",
            Contexts::IPC => "ipc",
            Contexts::NET => "net",
            other => panic!("{other} is not among those that change"),
        };
        let owner = fstat(owner(name).context(name)?)?.st_ino;
        ensure!(
            owner == own,
            "{name} belongs to {owner}, and the caller to {own}"
        );
    }
    Ok(())
}

/// Returns the user namespace that owns one of the caller's namespaces.
fn owner(name: &str) -> Result<OwnedFd> {
    /// `NS_GET_USERNS`
    const GET_USERNS: u32 = 0xb7 << 8 | 1;
    let file = File::open(format!("/proc/self/ns/{name}"))?;
    // SAFETY: The ioctl takes no argument.
    let fd = checked(unsafe { libc::ioctl(file.as_raw_fd(), GET_USERNS.into()) })?;
    // SAFETY: The descriptor is new.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
