// SPDX-License-Identifier: GPL-2.0-only

//! What two tasks share, asked of the kernel without the module: kcmp(2) and `/proc/PID/ns`.

use std::fs;
use std::io;

use anyhow::{Context, Result};
use nix::libc;
use rustix::process::{Pid, getpid};
use unshare_device::Contexts;

/// What the witness is cloned with.
pub(crate) const CLONED: Contexts = Contexts::FS.union(Contexts::FILES).union(Contexts::SYSVSEM);

// enum kcmp_type of linux/kcmp.h.
const KCMP: [(Contexts, libc::c_int); 5] = [
    (Contexts::VM, 1),
    (Contexts::FILES, 2),
    (Contexts::FS, 3),
    (Contexts::SIGHAND, 4),
    (Contexts::SYSVSEM, 6),
];

const NAMESPACES: [(Contexts, &str); 8] = [
    (Contexts::MOUNT, "mnt"),
    (Contexts::UTS, "uts"),
    (Contexts::IPC, "ipc"),
    (Contexts::USER, "user"),
    (Contexts::PID, "pid_for_children"),
    (Contexts::NET, "net"),
    (Contexts::CGROUP, "cgroup"),
    (Contexts::TIME, "time_for_children"),
];

/// The contexts that this task and `other` share.
pub(crate) fn shared_with(other: Pid) -> Result<Contexts> {
    let mut shared = kcmp(other).context("kcmp")?;
    for (context, name) in NAMESPACES {
        let Ok(own) = fs::read_link(format!("/proc/self/ns/{name}")) else {
            continue; // Not in this kernel.
        };
        let path = format!("/proc/{other}/ns/{name}");
        let its = fs::read_link(&path).context(path)?;
        shared.set(context, own == its);
    }
    Ok(shared)
}

/// Those of them that are no namespaces. Allocates nothing.
pub(crate) fn kcmp(other: Pid) -> io::Result<Contexts> {
    let mut shared = Contexts::empty();
    for (context, kind) in KCMP {
        shared.set(context, is_same(other, kind)?);
    }
    Ok(shared)
}

fn is_same(other: Pid, kind: libc::c_int) -> io::Result<bool> {
    let (own, other) = (getpid().as_raw_pid(), other.as_raw_pid());
    // SAFETY: kcmp takes numbers alone and writes nothing.
    match unsafe { libc::syscall(libc::SYS_kcmp, own, other, kind, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        order => Ok(order == 0),
    }
}
