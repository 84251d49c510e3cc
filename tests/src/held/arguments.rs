// SPDX-License-Identifier: GPL-2.0-only

//! What HOLD, ENTER and LEAVE take, and what they say to the rest.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use anyhow::Result;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mmap_anonymous, mprotect};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use unshare_device::{Contexts, raw};

use super::{ALL, ENTER, Eye, Held, KINDS, LEAVE, command, leave_last, try_hold};
use crate::attach::target::Target;
use crate::check::ensure;
use crate::device::{
    Args, COMMIT, DRY_RUN, Device, HOLD, LOCAL, QUERY, Reply, close_range, ioctl, unshare,
};
use crate::harness::Suite;

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
        .test("HOLD as a dry run: no descriptor", dry_run)
        .test("HOLD without a descriptor to be had: EMFILE", no_descriptor)
        .test(
            "HOLD with a bad pointer: EFAULT, and no descriptor",
            bad_pointer,
        )
        .test("the descriptor is close-on-exec", close_on_exec)
        .test("an argument that is not 0: EINVAL", not_zero)
        .test("a size that is not 0: ENOTTY", with_size)
        .test(
            "what belongs to the other descriptor: ENOTTY",
            other_descriptor,
        )
        .test(
            "read, write, mmap and open are those of an anonymous inode",
            anonymous,
        )
        .test(
            "fdinfo has the number of each namespace that is held, and of no other",
            numbers,
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

fn bad_pointer() -> Result<()> {
    let device = Device::open()?;
    let next = File::open("/dev/null")?.as_raw_fd();
    let errno = device.ioctl(COMMIT, ptr::null_mut());
    ensure!(errno == Some(Errno::FAULT), "{errno:?}");
    // A struct that can be read and not written.
    let len = 4096;
    // SAFETY: A new mapping overlays nothing.
    let page = unsafe {
        mmap_anonymous(
            ptr::null_mut(),
            len,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )?
    };
    // SAFETY: The page is there and large enough.
    unsafe {
        page.cast::<Args>().write(Args {
            options: HOLD,
            ..unshare(Contexts::NET)
        });
        mprotect(page, len, MprotectFlags::READ)?;
    }
    let errno = device.ioctl(COMMIT, page);
    ensure!(errno == Some(Errno::FAULT), "{errno:?}");
    let now = File::open("/dev/null")?.as_raw_fd();
    ensure!(now == next, "descriptor {next} is taken");
    Ok(())
}

fn close_on_exec() -> Result<()> {
    let held = Held::new(Contexts::NET)?;
    ensure!(fcntl_getfd(&held)? == FdFlags::CLOEXEC);
    Ok(())
}

fn not_zero() -> Result<()> {
    let held = Held::new(Contexts::NET)?;
    let device = Device::open()?;
    let one = ptr::without_provenance_mut(1);
    held.inside(|| {
        for (fd, number) in [
            (held.as_fd(), ENTER),
            (held.as_fd(), LEAVE),
            (device.as_fd(), LEAVE),
        ] {
            let errno = ioctl(fd.as_raw_fd(), number, one);
            ensure!(errno == Some(Errno::INVAL), "{number:#x}: {errno:?}");
        }
        Ok(())
    })
}

fn with_size() -> Result<()> {
    let held = Held::new(Contexts::NET)?;
    let device = Device::open()?;
    for (fd, number) in [
        (held.as_fd(), ENTER),
        (held.as_fd(), LEAVE),
        (device.as_fd(), LEAVE),
    ] {
        for changed in [1 << 16, 48 << 16, 1 << 30, 0xC000_0000] {
            let errno = ioctl(fd.as_raw_fd(), number | changed, ptr::null_mut());
            ensure!(
                errno == Some(Errno::NOTTY),
                "{:#x}: {errno:?}",
                number | changed
            );
        }
    }
    Ok(())
}

fn other_descriptor() -> Result<()> {
    let held = Held::new(Contexts::NET)?;
    let device = Device::open()?;
    ensure!(command(device.as_fd(), ENTER) == Err(Errno::NOTTY));
    let mut args = unshare(Contexts::UTS);
    for number in [COMMIT, LOCAL, QUERY, raw::UNSHARE_IOC_MAGIC << 8 | 6, 0] {
        let errno = ioctl(held.as_fd().as_raw_fd(), number, (&raw mut args).cast());
        ensure!(errno == Some(Errno::NOTTY), "{number:#x}: {errno:?}");
    }
    ensure!(leave_last(&device) == Err(Errno::INVAL));
    Ok(())
}

fn anonymous() -> Result<()> {
    let held = Held::new(Contexts::NET)?;
    let mut byte = [0];
    ensure!(rustix::io::read(&held, &mut byte[..]) == Err(Errno::INVAL));
    ensure!(rustix::io::write(&held, &byte) == Err(Errno::INVAL));
    // SAFETY: A new mapping overlays nothing.
    let mapped = unsafe {
        mmap(
            ptr::null_mut(),
            4096,
            ProtFlags::READ,
            MapFlags::SHARED,
            &held,
            0,
        )
    };
    ensure!(mapped == Err(Errno::NODEV), "{mapped:?}");
    let again = format!("/proc/self/fd/{}", held.as_fd().as_raw_fd());
    let link = fs::read_link(&again)?;
    ensure!(link.to_str() == Some("anon_inode:[unshare]"), "{link:?}");
    let opened = open(again, OFlags::RDWR, Mode::empty());
    ensure!(opened.is_err_and(|errno| errno == Errno::NXIO));
    Ok(())
}

fn numbers() -> Result<()> {
    let eye = Eye::new()?;
    for contexts in ALL.each().chain([ALL, Contexts::NET | Contexts::UTS]) {
        let held = Held::new(contexts)?;
        let info = held.info()?;
        let inside = held.inside(|| eye.view())?;
        let mut lines = vec!["inside".to_owned()];
        if contexts.intersects(Contexts::FS | Contexts::MOUNT) {
            lines.push("fs".to_owned());
            ensure!(info.get("fs").is_some_and(|value| value == "1"), "{info:?}");
        }
        for (kind, name, link) in [
            (Contexts::MOUNT, "mnt", "mnt"),
            (Contexts::UTS, "uts", "uts"),
            (Contexts::IPC, "ipc", "ipc"),
            (Contexts::PID, "pid", ""),
            (Contexts::CGROUP, "cgroup", "cgroup"),
            (Contexts::NET, "net", "net"),
        ] {
            if !contexts.contains(kind) {
                continue;
            }
            lines.push(name.to_owned());
            let number = info.get(name).map_or("", |number| number);
            // A PID namespace has no link before its first process.
            if !link.is_empty() {
                let seen = inside.get(link)?;
                ensure!(seen == format!("{link}:[{number}]"), "{seen}, {info:?}");
            }
        }
        lines.sort();
        ensure!(info.keys().eq(&lines), "{contexts}: {info:?}");
    }
    Ok(())
}
