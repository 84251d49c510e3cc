// SPDX-License-Identifier: GPL-2.0-only

//! A thread goes into the namespaces of another task, and comes back.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::Result;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};
use unshare_device::Contexts;

use super::attach::{setns, target};
use super::plan::{Plan, Way, way};
use super::scene::done;
use crate::attach::target::Target;
use crate::device::Device;
use crate::held::{ALL, ENTER, Held, LEAVE};
use crate::sharer::Sharer;

const NET: Contexts = Contexts::NET;

/// Without mounts, which take the directories along.
const FIVE: Contexts = Contexts::UTS
    .union(Contexts::IPC)
    .union(Contexts::PID)
    .union(Contexts::NET)
    .union(Contexts::CGROUP);

pub(super) fn plans() -> Vec<Plan> {
    let mounts = Contexts::MOUNT | NET;
    vec![
        plan("there and back: net", NET)
            .against("setns, setns by open files of /proc/PID/ns", by_links())
            .against("setns, setns by pidfds", by_pidfds(NET))
            .against("open, setns, setns, close", by_opening()),
        plan("there and back: mount, net", mounts).against(
            "setns, setns by pidfds, without the directories",
            by_pidfds(mounts),
        ),
        plan("there and back: five kinds", FIVE).against("setns, setns by pidfds", by_pidfds(FIVE)),
        plan("there and back: six kinds, fs", ALL)
            .against("setns, chroot, and fchdir, both ways", by_chroot()),
    ]
}

fn plan(name: &str, kinds: Contexts) -> Plan {
    let scene = move || {
        let target = target(kinds.difference(Contexts::FS))?;
        let held = Held::of(&Device::open()?, target.attach(kinds))?;
        let number = held.as_fd().as_raw_fd();
        // What only the first times allocate is not counted.
        warm(|| there_and_back(number))?;
        Ok((number, held, target))
    };
    Plan::new(name, way(scene, |(number, ..)| there_and_back(*number)))
}

#[inline(always)]
fn there_and_back(held: i32) -> Result<(), Errno> {
    // SAFETY: The commands have no argument.
    unsafe {
        done(libc::syscall(libc::SYS_ioctl, held, ENTER, 0))?;
        done(libc::syscall(libc::SYS_ioctl, held, LEAVE, 0))
    }
}

fn warm(mut call: impl FnMut() -> Result<(), Errno>) -> Result<()> {
    Ok((0..8).try_for_each(|_| call())?)
}

/// A target, and a task that stays in the caller's namespaces.
struct Ends {
    there: Target,
    home: Target,
}

fn ends(kinds: Contexts) -> Result<Ends> {
    let there = target(kinds)?;
    let home = Target::of(Sharer::new(Contexts::empty())?)?;
    Ok(Ends { there, home })
}

fn by_pidfds(kinds: Contexts) -> Way {
    let call = move |ends: &mut Ends| {
        setns(ends.there.as_fd(), kinds)?;
        setns(ends.home.as_fd(), kinds)
    };
    let scene = move || {
        let mut ends = ends(kinds)?;
        warm(|| call(&mut ends))?;
        Ok(ends)
    };
    way(scene, call)
}

fn by_links() -> Way {
    let call = |(there, home): &mut (OwnedFd, OwnedFd)| {
        setns(there.as_fd(), NET)?;
        setns(home.as_fd(), NET)
    };
    let scene = move || {
        let ends = ends(NET)?;
        let link = |target: &Target| -> Result<OwnedFd> {
            let path = format!("/proc/{}/ns/net", target.pid()?.as_raw_nonzero());
            Ok(open(path, OFlags::RDONLY, Mode::empty())?)
        };
        let mut links = (link(&ends.there)?, link(&ends.home)?);
        warm(|| call(&mut links))?;
        Ok(links)
    };
    way(scene, call)
}

/// As the libraries of Go programs do it.
fn by_opening() -> Way {
    let call = |there: &mut (OwnedFd, Target)| {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        let path = c"/proc/thread-self/ns/net";
        // SAFETY: The path is terminated, and the descriptor is this function's.
        unsafe {
            let home = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags);
            done(home)?;
            setns(there.0.as_fd(), NET)?;
            done(libc::syscall(libc::SYS_setns, home, NET.bits()))?;
            done(libc::syscall(libc::SYS_close, home))
        }
    };
    let scene = move || {
        let there = target(NET)?;
        let path = format!("/proc/{}/ns/net", there.pid()?.as_raw_nonzero());
        let mut there = (open(path, OFlags::RDONLY, Mode::empty())?, there);
        warm(|| call(&mut there))?;
        Ok(there)
    };
    way(scene, call)
}

/// A task, and where it has root and working directory.
struct Place {
    task: OwnedFd,
    root: OwnedFd,
    cwd: OwnedFd,
}

impl Place {
    fn of(target: &Target) -> Result<Self> {
        let pid = target.pid()?;
        let folder = |name| {
            let path = format!("/proc/{}/{name}", pid.as_raw_nonzero());
            open(path, OFlags::PATH, Mode::empty())
        };
        Ok(Self {
            task: pidfd_open(pid, PidfdFlags::empty())?,
            root: folder("root")?,
            cwd: folder("cwd")?,
        })
    }

    #[inline(always)]
    fn go(&self, kinds: Contexts) -> Result<(), Errno> {
        setns(self.task.as_fd(), kinds)?;
        // SAFETY: The path is terminated.
        unsafe {
            done(libc::syscall(libc::SYS_fchdir, self.root.as_raw_fd()))?;
            done(libc::syscall(libc::SYS_chroot, c".".as_ptr()))?;
            done(libc::syscall(libc::SYS_fchdir, self.cwd.as_raw_fd()))
        }
    }
}

fn by_chroot() -> Way {
    let kinds = ALL.difference(Contexts::FS);
    let call = move |places: &mut (Place, Place, Ends)| {
        places.0.go(kinds)?;
        places.1.go(kinds)
    };
    let scene = move || {
        let ends = ends(kinds)?;
        let mut places = (Place::of(&ends.there)?, Place::of(&ends.home)?, ends);
        warm(|| call(&mut places))?;
        Ok(places)
    };
    way(scene, call)
}
