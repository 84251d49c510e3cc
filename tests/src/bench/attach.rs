// SPDX-License-Identifier: GPL-2.0-only

//! Attaching alone, and before unsharing.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use super::plan::{Plan, way};
use super::scene::{bare, commit, done, unshare};
use crate::attach::target::{KINDS, Target};
use crate::check::ensure;

/// The kinds of namespaces that a container has of its own.
pub(super) const FIVE: Contexts = Contexts::MOUNT
    .union(Contexts::UTS)
    .union(Contexts::IPC)
    .union(Contexts::NET)
    .union(Contexts::CGROUP);

/// The kinds of which a guest of that container gets new ones.
pub(super) const THREE: Contexts = Contexts::MOUNT.union(Contexts::UTS).union(Contexts::CGROUP);

pub(super) fn plans() -> Vec<Plan> {
    let attached = [(1, Contexts::UTS), (5, FIVE), (8, KINDS)].map(|(number, kinds)| {
        ours(format!("attach {number}"), kinds, Contexts::empty())
            .against(
                "setns",
                way(
                    move || target(kinds),
                    move |target| setns(target.as_fd(), kinds),
                ),
            )
            .against(
                "open, setns, close",
                way(move || links(kinds), |(_, links)| one_by_one(links)),
            )
            .at("attach", "kinds", number)
    });
    let both = ours("attach 5, unshare 3".to_owned(), FIVE, THREE).against(
        "setns, unshare",
        way(
            || target(FIVE),
            |target| setns(target.as_fd(), FIVE).and_then(|()| unshare(THREE)),
        ),
    );
    attached.into_iter().chain([both]).collect()
}

fn ours(name: String, kinds: Contexts, contexts: Contexts) -> Plan {
    let scene = move || {
        let target = target(kinds)?;
        Ok((target.attach_and(kinds, contexts), target))
    };
    Plan::new(name, way(scene, |(args, _)| commit(args)))
}

/// A task with namespaces of its own.
pub(super) fn target(kinds: Contexts) -> Result<Target> {
    bare()?;
    Target::new(kinds)
}

/// setns(2) with a pidfd.
#[inline(always)]
pub(super) fn setns(pidfd: BorrowedFd<'_>, kinds: Contexts) -> Result<(), Errno> {
    // SAFETY: setns(2) takes numbers only.
    done(unsafe { libc::syscall(libc::SYS_setns, pidfd.as_raw_fd(), kinds.bits()) })
}

/// A task, and the links of its namespaces, in an order in which they can be entered.
fn links(kinds: Contexts) -> Result<(Target, Vec<CString>)> {
    let target = target(kinds)?;
    let pid = target.pid()?.as_raw_nonzero();
    let order = [
        (Contexts::UTS, "uts"),
        (Contexts::IPC, "ipc"),
        (Contexts::PID, "pid"),
        (Contexts::CGROUP, "cgroup"),
        (Contexts::NET, "net"),
        (Contexts::TIME, "time"),
        (Contexts::MOUNT, "mnt"),
        (Contexts::USER, "user"),
    ];
    let wanted = order.into_iter().filter(|(kind, _)| kinds.contains(*kind));
    let links = wanted.map(|(_, name)| CString::new(format!("/proc/{pid}/ns/{name}")));
    let links = links.collect::<Result<Vec<_>, _>>()?;
    ensure!(links.len() == kinds.each().count(), "a kind has no link");
    Ok((target, links))
}

/// As nsenter(1) does: opens all links, then enters one after the other.
fn one_by_one(links: &[CString]) -> Result<(), Errno> {
    let mut descriptors = [0; 8];
    let opened = links.iter().zip(&mut descriptors);
    for (link, descriptor) in opened {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        // SAFETY: The path is terminated.
        *descriptor =
            unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, link.as_ptr(), flags) };
        done(*descriptor)?;
    }
    for descriptor in &descriptors[..links.len()] {
        // SAFETY: setns(2) takes numbers only.
        done(unsafe { libc::syscall(libc::SYS_setns, *descriptor, 0) })?;
    }
    for descriptor in &descriptors[..links.len()] {
        // SAFETY: This function opened it.
        done(unsafe { libc::syscall(libc::SYS_close, *descriptor) })?;
    }
    Ok(())
}
