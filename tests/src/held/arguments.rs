// SPDX-License-Identifier: GPL-2.0-only

//! What HOLD accepts, and what it says to everything else.

use std::ffi::{c_int, c_long};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr;

use anyhow::Result;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Resource, Rlimit, getpid, getrlimit, pidfd_open, setrlimit};
use unshare_device::Contexts;

use super::{ALL, Eye, KINDS, try_hold};
use crate::attach::target::{Target, attach};
use crate::check::ensure;
use crate::child::in_child;
use crate::conditions::become_user;
use crate::contexts::sysv::{Semaphore, value};
use crate::device::{
    Args, COMMIT, DRY_RUN, Device, HOLD, LOCAL, Reply, checked, close_range, unshare,
};
use crate::harness::Suite;
use crate::machine::Setting;
use crate::memory::read_only;

const NONE: Contexts = Contexts::empty();

pub(crate) fn suite() -> Suite {
    Suite::new("held_arguments")
        .test("the query says that HOLD is on offer", offered)
        .test(
            "HOLD of what a process has as a whole: EINVAL, and it is named",
            not_holdable,
        )
        .test("HOLD of nothing, and by LOCAL: EINVAL", nothing)
        .test(
            "HOLD changes nothing, and says what ENTER would replace",
            says,
        )
        .test(
            "HOLD of the caller's own IPC namespace: the list of semaphore adjustments stays",
            own_ipc,
        )
        .test(
            "HOLD of a root on failfs: EOPNOTSUPP, as fchroot(2) looks at no_new_privs",
            failfs,
        )
        .test("HOLD as a dry run: no descriptor", dry_run)
        .test("HOLD without a descriptor to be had: EMFILE", no_descriptor)
        .test("HOLD without a file to be had: ENFILE", no_file)
        .test(
            "HOLD refuses what COMMIT refuses, with the same errno and context",
            as_commit,
        )
        .test(
            "HOLD with a bad pointer: EFAULT, and no descriptor",
            bad_pointer,
        )
}

fn offered() -> Result<()> {
    let options = Device::open()?.query()?.options;
    ensure!(options & u64::from(HOLD) != 0, "{options:#x}");
    Ok(())
}

fn refused(args: Args, failed: Contexts) -> Result<()> {
    let (held, reply) = try_hold(&Device::open()?, args);
    let expected = Reply {
        errno: Some(Errno::INVAL),
        replaced: NONE,
        failed,
    };
    ensure!(
        held.is_none() && reply == expected,
        "{reply:?} instead of {expected:?}"
    );
    Ok(())
}

fn not_holdable() -> Result<()> {
    let target = Target::new(Contexts::TIME | Contexts::USER)?;
    for kind in [Contexts::USER, Contexts::TIME] {
        refused(target.attach(kind), kind)?;
        refused(unshare(kind | Contexts::NET), kind)?;
    }
    for (asked, failed) in [
        (Contexts::FILES, Contexts::FILES),
        (Contexts::SYSVSEM, Contexts::SYSVSEM),
        (Contexts::SIGHAND, Contexts::SIGHAND),
        // CLONE_VM and CLONE_SIGHAND are implied, and CLONE_VM is the lowest bit.
        (Contexts::VM, Contexts::VM),
        (Contexts::THREAD, Contexts::VM),
        (Contexts::FILES | Contexts::SIGHAND, Contexts::FILES),
    ] {
        refused(unshare(asked | Contexts::NET), failed)?;
    }
    refused(close_range(Contexts::FILES, 100, 200), Contexts::FILES)
}

fn nothing() -> Result<()> {
    refused(unshare(NONE), NONE)?;
    let device = Device::open()?;
    let local = |contexts| {
        device.request(
            LOCAL,
            Args {
                options: HOLD,
                ..unshare(contexts)
            },
        )
    };
    let reply = local(Contexts::FS);
    ensure!(
        reply.errno == Some(Errno::INVAL) && reply.failed == NONE,
        "{reply:?}"
    );
    let reply = local(Contexts::NET);
    ensure!(
        reply.errno == Some(Errno::PERM) && reply.failed == Contexts::NET,
        "{reply:?}"
    );
    Ok(())
}

fn says() -> Result<()> {
    let device = Device::open()?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    for contexts in ALL.each().chain([ALL, KINDS, Contexts::EMPTY_MNTNS]) {
        let (held, reply) = try_hold(&device, unshare(contexts));
        ensure!(
            held.is_some() && reply.failed == NONE,
            "{contexts}: {reply:?}"
        );
        let mut named = contexts.difference(Contexts::EMPTY_MNTNS);
        if contexts.intersects(Contexts::MOUNT | Contexts::EMPTY_MNTNS) {
            named |= Contexts::FS | Contexts::MOUNT;
        }
        ensure!(reply.replaced == named, "{contexts}: {}", reply.replaced);
    }
    before.ensure_same(&eye.view()?)
}

fn dry_run() -> Result<()> {
    let (held, reply) = try_hold(
        &Device::open()?,
        Args {
            options: DRY_RUN,
            ..unshare(ALL)
        },
    );
    ensure!(
        held.is_none() && reply.errno.is_none() && reply.replaced == ALL,
        "{reply:?}"
    );
    Ok(())
}

fn no_descriptor() -> Result<()> {
    let device = Device::open()?;
    let next = File::open("/dev/null")?.as_raw_fd();
    let old = getrlimit(Resource::Nofile);
    let current = Some(u64::try_from(next)?);
    setrlimit(Resource::Nofile, Rlimit { current, ..old })?;
    let (held, reply) = try_hold(&device, unshare(Contexts::NET));
    setrlimit(Resource::Nofile, old)?;
    ensure!(
        held.is_none() && reply.errno == Some(Errno::MFILE) && reply.failed == NONE,
        "{reply:?}"
    );
    Ok(())
}

/// An administrator may open more files than `fs.file-max`.
fn no_file() -> Result<()> {
    let device = Device::open()?;
    let _limit = Setting::sysctl("fs/file-max", "0")?;
    in_child(|| {
        become_user(1000)?;
        let (held, reply) = try_hold(&device, unshare(Contexts::FS));
        ensure!(
            held.is_none() && reply.errno == Some(Errno::NFILE) && reply.failed == NONE,
            "{reply:?}"
        );
        Ok(String::new())
    })
    .map(drop)
}

fn as_commit() -> Result<()> {
    let device = Device::open()?;
    let target = Target::new(NONE)?;
    let by_both = |args: Args, errno| {
        let (held, reply) = try_hold(&device, args);
        ensure!(held.is_none() && reply.errno == Some(errno), "{reply:?}");
        let committed = device.commit(args);
        ensure!(reply == committed, "{reply:?}, and COMMIT: {committed:?}");
        Ok(())
    };
    let no_pidfd = Args {
        pidfd: -1,
        ..target.attach(Contexts::NET)
    };
    by_both(no_pidfd, Errno::BADF)?;
    let unused_pidfd = Args {
        pidfd: 1,
        ..unshare(Contexts::UTS)
    };
    by_both(unused_pidfd, Errno::INVAL)?;
    by_both(
        unshare(Contexts::from_bits_retain(1) | Contexts::UTS),
        Errno::INVAL,
    )?;
    {
        let _limit = Setting::sysctl("user/max_uts_namespaces", "0")?;
        by_both(unshare(Contexts::NET | Contexts::UTS), Errno::NOSPC)?;
    }
    become_user(1000)?;
    by_both(unshare(Contexts::NET | Contexts::FS), Errno::PERM)?;
    by_both(target.attach(Contexts::FS), Errno::ACCESS)
}

/// A caller that attaches to its own IPC namespace keeps its list when it enters.
fn own_ipc() -> Result<()> {
    let semaphore = Semaphore::new()?;
    semaphore.add_with_undo(5)?;
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    let (held, reply) = try_hold(&Device::open()?, attach(&own, Contexts::IPC, NONE));
    ensure!(
        reply.errno.is_none() && reply.replaced.is_empty(),
        "{reply:?}"
    );
    let held = held.expect("a HOLD that succeeds returns a descriptor");
    held.inside(|| Ok(()))?;
    ensure!(
        value(&semaphore.id())? == "5",
        "the adjustments were applied"
    );
    Ok(())
}

/// Linux 7.2 has no fchroot(2), and so no such root.
fn failfs() -> Result<()> {
    const FCHROOT: c_long = 472;
    const FD_FAILFS_ROOT: c_int = -10004;
    let device = Device::open()?;
    // SAFETY: The system call takes two numbers.
    let expected = match checked(unsafe { libc::syscall(FCHROOT, FD_FAILFS_ROOT, 0) }) {
        Err(Errno::NOSYS) => (None, NONE),
        moved => moved.map(|_| (Some(Errno::OPNOTSUPP), Contexts::FS))?,
    };
    let (_held, reply) = try_hold(&device, unshare(Contexts::FS));
    ensure!((reply.errno, reply.failed) == expected, "{reply:?}");
    Ok(())
}

fn bad_pointer() -> Result<()> {
    let device = Device::open()?;
    let next = File::open("/dev/null")?.as_raw_fd();
    let errno = device.ioctl(COMMIT, ptr::null_mut());
    ensure!(errno == Some(Errno::FAULT), "{errno:?}");
    let args = read_only(Args {
        options: HOLD,
        ..unshare(Contexts::NET)
    })?;
    let errno = device.ioctl(COMMIT, args.start());
    ensure!(errno == Some(Errno::FAULT), "{errno:?}");
    let now = File::open("/dev/null")?.as_raw_fd();
    ensure!(now == next, "descriptor {next} is taken");
    Ok(())
}
