// SPDX-License-Identifier: GPL-2.0-only

//! A network that is created in the attached network: a kernel thread creates it, and the resources
//! and the lifetime are the caller's.

use std::ffi::c_void;
use std::fs;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::mm::MapFlags;
use rustix::process::{PidfdFlags, Signal, getpid, kill_process, pidfd_open};
use unshare_device::Contexts;

use super::moving::wait_inside;
use super::target::{Target, attach};
use crate::cgroup::Cgroup;
use crate::check::{bail, ensure};
use crate::child::{Child, wait_end};
use crate::device::{Device, ioctl};
use crate::harness::Suite;
use crate::mailbox::Mapping;
use crate::memory::{PAGE, write};
use crate::sharer::Sharer;
use crate::userfaultfd::Userfaultfd;

const NET: Contexts = Contexts::NET;

/// The module's name for the thread.
const THREAD: &str = "unshare_net";

pub(crate) fn suite() -> Suite {
    Suite::new("attach_network")
        .test(
            "a kill ends a request that waits for the lock of the networks, and no thread is left",
            killed,
        )
        .test(
            "a new network is charged to the caller's memory cgroup, also if the address space has another one",
            charged,
        )
}

/// Creates a network in that of the task behind a descriptor. Also a
/// [`Question`](crate::sharer::Question).
fn make(pidfd: &str) -> Result<String> {
    // SAFETY: The test has the descriptor open, and its children have it, too.
    let pidfd = unsafe { BorrowedFd::borrow_raw(pidfd.parse()?) };
    let reply = Device::open()?.commit(attach(&pidfd, NET, NET));
    ensure!(reply.errno.is_none(), "{reply:?}");
    Ok(String::new())
}

fn killed() -> Result<()> {
    let target = Target::new(NET)?;
    let open = target.pidfd()?;
    let pidfd = open.as_raw_fd().to_string();
    let holder = Child::spawn(hold_rtnl)?;
    wait_inside(&holder, libc::SYS_ioctl)?;
    let caller = Child::spawn(|| make(&pidfd))?;
    wait_inside(&caller, libc::SYS_ioctl)?;
    wait_for_threads(1)?;
    let [thread] = threads()?[..] else {
        bail!("there are more of them");
    };
    let place = format!("/proc/{thread}/wchan");
    let before = fs::read_to_string(&place)?;
    let end = pidfd_open(caller.pid, PidfdFlags::empty())?;
    kill_process(caller.pid, Signal::KILL)?;
    // As in unshare(2), it may have to wait for the lock before it can undo what it has begun.
    if wait_end(&end, Duration::from_secs(1)).is_ok() {
        wait_for_threads(0)?;
    } else {
        let after = fs::read_to_string(&place)?;
        ensure!(before != after, "the thread is still in {before}");
    }
    holder.stop()?;
    caller.killed(Duration::from_secs(20))?;
    wait_for_threads(0)
}

/// Keeps `rtnl_mutex` locked: the answer of `ETHTOOL_GLINK` goes to memory whose page fault is
/// never answered.
fn hold_rtnl() -> Result<String> {
    const SIOCETHTOOL: u32 = 0x8946;
    const ETHTOOL_GLINK: u32 = 0xa;

    #[repr(C)]
    struct Ifreq {
        name: [u8; 16],
        data: *mut c_void,
        rest: [u64; 2],
    }

    let memory = Mapping::new(2 * PAGE, MapFlags::PRIVATE)?;
    write(memory.start(), 0);
    let command = memory.end().wrapping_byte_sub(PAGE + size_of::<u32>());
    // SAFETY: The command is the last word of the first page.
    unsafe { command.cast::<u32>().write(ETHTOOL_GLINK) };
    let watcher = Userfaultfd::new(0)?;
    watcher.register(&memory)?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut request = Ifreq {
        name: *b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        data: command,
        rest: [0; 2],
    };
    let outcome = ioctl(
        socket.as_raw_fd(),
        SIOCETHTOOL,
        (&raw mut request).cast::<c_void>(),
    );
    bail!("ioctl(2) came back: {outcome:?}");
}

/// Returns the threads that are creating a network.
fn threads() -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        // A task may end meanwhile.
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        if name.trim() == THREAD {
            let number = path.file_name().and_then(|name| name.to_str());
            found.push(number.context("no number")?.parse()?);
        }
    }
    Ok(found)
}

/// Waits until there are `count` of them.
fn wait_for_threads(count: usize) -> Result<()> {
    let start = Instant::now();
    loop {
        let found = threads()?;
        if found.len() == count {
            return Ok(());
        }
        ensure!(
            start.elapsed() < Duration::from_secs(10),
            "{found:?} instead of {count}"
        );
        sleep(Duration::from_millis(20));
    }
}

fn charged() -> Result<()> {
    /// Less kernel memory than any network takes: on a small arm64 kernel that is 28 KiB.
    const LITTLE: u64 = 16 << 10;
    let target = Target::new(NET)?;
    let open = target.pidfd()?;
    let pidfd = open.as_raw_fd().to_string();
    let [owners, callers] = [
        Cgroup::new("owner", "memory")?,
        Cgroup::new("caller", "memory")?,
    ];
    owners.add(getpid().as_raw_nonzero().get())?;
    // It shares the address space, which this task owns.
    let caller = Sharer::new(Contexts::VM | Contexts::FILES)?;
    callers.add(caller.pid.as_raw_nonzero().get())?;
    let kernel = |cgroup: &Cgroup| cgroup.number("memory.stat", "kernel");
    sleep(Duration::from_secs(3));
    let before = [kernel(&owners)?, kernel(&callers)?];
    caller.ask(make, &pidfd)?;
    // The kernel sums up the counters of the processors every two seconds.
    sleep(Duration::from_secs(3));
    let after = [kernel(&owners)?, kernel(&callers)?];
    let [by_owner, by_caller] = [0, 1].map(|i| after[i].saturating_sub(before[i]));
    ensure!(
        by_caller >= LITTLE && by_owner < by_caller / 2,
        "owner, caller: {before:?}, then {after:?}"
    );
    Ok(())
}
