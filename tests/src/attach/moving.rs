// SPDX-License-Identifier: GPL-2.0-only

//! Targets that stay in a state in which a request must wait for them.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{IoSliceMut, Read};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::mm::MapFlags;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open};
use unshare_device::Contexts;

use super::target::attach;
use crate::check::{bail, ensure};
use crate::child::Child;
use crate::device::{Device, checked, unshare};
use crate::harness::Suite;
use crate::mailbox::Mapping;
use crate::memory::PAGE;
use crate::userfaultfd::Userfaultfd;
use crate::world::World;

const FS: Contexts = Contexts::FS;
const UTS: Contexts = Contexts::UTS;
const MOUNT: Contexts = Contexts::MOUNT;
const NONE: Contexts = Contexts::empty();

/// How long a request waits for another task, according to the manual.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn suite() -> Suite {
    Suite::new("attach_moving")
        .test(
            "a request does not wait for a target that is in the kernel for long",
            busy,
        )
        .test(
            "a target that stays in setns(2), several kinds: EBUSY after a second, the lowest",
            stuck,
        )
        .test(
            "a target that stays in setns(2), one kind: success at once",
            stuck_but_one,
        )
        .test("a kill ends a request that waits for its target", killed)
        .test(
            "a task that reads the caller's memory for long: EBUSY after a second",
            looked_into,
        )
}

/// A target that reads random numbers for several seconds without checking for signals.
fn busy() -> Result<()> {
    let target = Child::spawn(|| {
        const PART: usize = 1 << 20;
        let random = File::open("/dev/urandom")?;
        let mut memory = vec![0; PART];
        let memory: *mut u8 = memory.as_mut_ptr();
        loop {
            let parts = (0..1024).map(|_| {
                // SAFETY: The memory exists, and no code reads what is written several times.
                IoSliceMut::new(unsafe { std::slice::from_raw_parts_mut(memory, PART) })
            });
            let _filled = (&random).read_vectored(&mut parts.collect::<Vec<_>>())?;
        }
    })?;
    let pidfd = pidfd_open(target.pid, PidfdFlags::empty())?;
    std::thread::sleep(Duration::from_millis(300));
    let world = World::alone()?;
    let start = Instant::now();
    let reply = world.device.commit(attach(&pidfd, FS | UTS, NONE));
    let took = start.elapsed();
    ensure!(reply.errno.is_none(), "{reply:?}");
    ensure!(took < PATIENCE, "it took {took:?}");
    target.stop()
}

/// A task that stays inside setns(2) until it is killed: its seccomp filter asks a listener that
/// never answers.
fn inside_setns() -> Result<(Child, OwnedFd)> {
    let child = Child::spawn(|| {
        ask_before(libc::SYS_setns)?;
        // SAFETY: setns(2) takes numbers only.
        checked(unsafe { libc::syscall(libc::SYS_setns, -1, 0) })?;
        bail!("setns(2) came back");
    })?;
    let pidfd = pidfd_open(child.pid, PidfdFlags::empty())?;
    wait_inside(&child, libc::SYS_setns)?;
    Ok((child, pidfd))
}

/// Waits until the task sleeps inside a system call.
pub(super) fn wait_inside(child: &Child, number: i64) -> Result<()> {
    let path = format!("/proc/{}/syscall", child.pid.as_raw_nonzero());
    let number = format!("{number} ");
    for _ in 0..1000 {
        if fs::read_to_string(&path)?.starts_with(&number) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("the task does not get there: {}", fs::read_to_string(path)?)
}

/// Starts a task that reads the link `/proc/PID/ns/mnt` of another task into memory whose page
/// fault is never answered. It holds the other task's `exec_update_lock` until it is killed.
pub(crate) fn look_into(task: Pid) -> Result<Child> {
    let link = CString::new(format!("/proc/{}/ns/mnt", task.as_raw_nonzero()))?;
    let reader = Child::spawn(|| {
        let memory = Mapping::new(PAGE, MapFlags::PRIVATE)?;
        let watcher = Userfaultfd::new(0)?;
        watcher.register(&memory)?;
        let (link, start) = (link.as_ptr(), memory.start().cast());
        // SAFETY: The path and the memory are there.
        let read = unsafe { libc::readlinkat(libc::AT_FDCWD, link, start, memory.len()) };
        bail!("readlinkat(2) came back: {read}");
    })?;
    wait_inside(&reader, libc::SYS_readlinkat)?;
    Ok(reader)
}

fn looked_into() -> Result<()> {
    let world = World::sharing(Contexts::VM)?;
    let reader = look_into(getpid())?;
    let requests = [
        (Contexts::USER | UTS, Contexts::USER),
        (Contexts::VM, Contexts::VM),
    ];
    for (asked, failed) in requests {
        let start = Instant::now();
        world.refuses(unshare(asked), Errno::BUSY, failed)?;
        let took = start.elapsed();
        ensure!(took >= PATIENCE && took < 10 * PATIENCE, "it took {took:?}");
    }
    reader.stop()?;
    for (asked, _) in requests {
        let reply = world.device.commit(unshare(asked));
        ensure!(reply.errno.is_none(), "{reply:?}");
    }
    Ok(())
}

/// Installs a filter that asks a listener about a system call. Returns the listener.
fn ask_before(number: i64) -> Result<i32> {
    let code = |code: u32| u16::try_from(code);
    let mut filter = [
        libc::sock_filter {
            code: code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS)?,
            jt: 0,
            jf: 0,
            k: 0,
        },
        libc::sock_filter {
            code: code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K)?,
            jt: 0,
            jf: 1,
            k: number.try_into()?,
        },
        libc::sock_filter {
            code: code(libc::BPF_RET | libc::BPF_K)?,
            jt: 0,
            jf: 0,
            k: libc::SECCOMP_RET_USER_NOTIF,
        },
        libc::sock_filter {
            code: code(libc::BPF_RET | libc::BPF_K)?,
            jt: 0,
            jf: 0,
            k: libc::SECCOMP_RET_ALLOW,
        },
    ];
    let program = libc::sock_fprog {
        len: filter.len().try_into()?,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: The program lives across the call.
    let listener = checked(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    });
    Ok(listener.context("seccomp")?.try_into()?)
}

fn stuck() -> Result<()> {
    let (target, pidfd) = inside_setns()?;
    let world = World::sharing(FS)?;
    for kinds in [FS | UTS, FS, UTS | Contexts::USER] {
        let lowest = Contexts::from_bits_retain(kinds.bits() & kinds.bits().wrapping_neg());
        let start = Instant::now();
        world.refuses(attach(&pidfd, kinds, NONE), Errno::BUSY, lowest)?;
        let took = start.elapsed();
        // The clock of an emulated machine on a busy host jumps.
        ensure!(took >= PATIENCE && took < 10 * PATIENCE, "it took {took:?}");
    }
    target.stop()
}

fn stuck_but_one() -> Result<()> {
    let (target, pidfd) = inside_setns()?;
    let world = World::alone()?;
    let start = Instant::now();
    let reply = world.device.commit(attach(&pidfd, UTS | MOUNT, NONE));
    ensure!(reply.errno.is_none(), "{reply:?}");
    ensure!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    target.stop()
}

fn killed() -> Result<()> {
    let (target, pidfd) = inside_setns()?;
    // Often enough that one of them is not slowed down by the machine's other work.
    let mut times = Vec::new();
    for _ in 0..10 {
        times.push(kill_one(&pidfd)?);
        if times.iter().any(|took| *took < PATIENCE / 2) {
            return target.stop();
        }
    }
    bail!("it took {times:?}");
}

/// Returns how long a caller that waits for the target takes to die.
fn kill_one(pidfd: &OwnedFd) -> Result<Duration> {
    let caller = Child::spawn(|| {
        let device = Device::open()?;
        loop {
            let reply = device.commit(attach(pidfd, FS | UTS, NONE));
            ensure!(reply.errno == Some(Errno::BUSY), "{reply:?}");
        }
    })?;
    std::thread::sleep(PATIENCE / 4);
    let start = Instant::now();
    kill_process(caller.pid, Signal::KILL)?;
    caller.killed(Duration::from_secs(20))?;
    Ok(start.elapsed())
}
