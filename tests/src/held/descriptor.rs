// SPDX-License-Identifier: GPL-2.0-only

//! The descriptor that holds contexts: its commands, its file and its fdinfo.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use anyhow::Result;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use unshare_device::{Contexts, raw};

use super::{ALL, ENTER, Eye, Held, LEAVE, command, leave_last};
use crate::check::ensure;
use crate::device::{COMMIT, Device, LOCAL, QUERY, ioctl, unshare};
use crate::harness::Suite;

pub(crate) fn suite() -> Suite {
    Suite::new("held_descriptor")
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
