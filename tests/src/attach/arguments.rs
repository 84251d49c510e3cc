// SPDX-License-Identifier: GPL-2.0-only

//! Which descriptors are accepted as a pidfd, and from where they may come.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::thread::gettid;
use unshare_device::Contexts;

use super::target::{ATTACHABLE, Target, attach};
use crate::backend::syscall;
use crate::check::ensure;
use crate::child::in_child;
use crate::device::{Args, checked, close_range, unshare};
use crate::everything::SHARED;
use crate::harness::Suite;
use crate::questions::{hostname, open_here, set_hostname};
use crate::world::World;

const NONE: Contexts = Contexts::empty();
const UTS: Contexts = Contexts::UTS;

pub(crate) fn suite() -> Suite {
    Suite::new("attach_pidfd")
        .test("a pidfd that is not open: EBADF", no_descriptor)
        .test("a descriptor that is not a pidfd: EINVAL", no_pidfd)
        .test("a dead task, reaped or not: ESRCH", dead)
        .test(
            "a pidfd of a thread attaches to the thread's own namespaces",
            of_thread,
        )
        .test("a pidfd of a thread that has ended: ESRCH", of_dead_thread)
        .test("a pidfd that came in a message works", from_message)
        .test("a pidfd inherited from the parent works", from_parent)
        .test(
            "a pidfd that the request closes works",
            closed_by_the_request,
        )
}

fn no_descriptor() -> Result<()> {
    let world = World::sharing(SHARED)?;
    for pidfd in [-1, i32::MIN, 4095, i32::MAX] {
        let args = Args {
            attach: UTS.bits(),
            pidfd,
            ..unshare(SHARED)
        };
        world.refuses(args, Errno::BADF, NONE)?;
    }
    Ok(())
}

fn no_pidfd() -> Result<()> {
    let world = World::sharing(SHARED)?;
    for path in [
        "/proc/self/ns/uts",
        "/dev/null",
        "/proc/self",
        "/proc/self/mem",
    ] {
        let file = File::open(path)?;
        let request = attach(&file, UTS, SHARED);
        world.refuses(request, Errno::INVAL, NONE).context(path)?;
    }
    world.refuses(attach(&world.device, UTS, NONE), Errno::INVAL, NONE)
}

fn dead() -> Result<()> {
    for target in [Target::new(NONE)?.zombie()?, Target::new(NONE)?.ended()?] {
        let world = World::sharing(SHARED)?;
        for kind in ATTACHABLE.each() {
            world.refuses(target.attach_and(kind, SHARED), Errno::SRCH, NONE)?;
        }
    }
    Ok(())
}

/// A [`Question`](crate::sharer::Question): starts a thread with its own host name, and returns its
/// thread ID.
fn start_thread(name: &str) -> Result<String> {
    let name = name.to_owned();
    let (started, number) = mpsc::channel();
    thread::spawn(move || -> Result<()> {
        syscall(UTS)?;
        set_hostname(&name)?;
        started.send(gettid())?;
        loop {
            thread::park();
        }
    });
    Ok(number.recv()?.as_raw_nonzero().to_string())
}

/// `PIDFD_THREAD`
fn pidfd_of_thread(tid: i32) -> Result<OwnedFd> {
    // SAFETY: pidfd_open(2) takes numbers only.
    let fd = checked(unsafe { libc::syscall(libc::SYS_pidfd_open, tid, libc::O_EXCL) })?;
    // SAFETY: The descriptor is new.
    Ok(unsafe { OwnedFd::from_raw_fd(fd.try_into()?) })
}

fn of_thread() -> Result<()> {
    let target = Target::new(UTS)?;
    target.ask(set_hostname, "of-the-process")?;
    let thread = target.ask(start_thread, "of-the-thread")?;
    let thread = pidfd_of_thread(thread.parse()?)?;
    in_child(|| {
        World::alone()?.replaces(target.attach(UTS), UTS, &["ns/uts"])?;
        ensure!(hostname("")? == "of-the-process");
        Ok(String::new())
    })?;
    World::alone()?.replaces(attach(&thread, UTS, NONE), UTS, &["ns/uts"])?;
    ensure!(hostname("")? == "of-the-thread");
    Ok(())
}

fn of_dead_thread() -> Result<()> {
    let world = World::sharing(SHARED)?;
    let (started, number) = mpsc::channel();
    let (end, wait) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let _ = started.send(gettid());
        wait.recv().is_err()
    });
    let pidfd = pidfd_of_thread(number.recv()?.as_raw_nonzero().get())?;
    drop(end);
    ensure!(thread.join().is_ok());
    world.refuses(attach(&pidfd, UTS, NONE), Errno::SRCH, NONE)
}

fn from_message() -> Result<()> {
    let target = Target::new(UTS)?;
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::empty(),
        None,
    )?;
    in_child(|| {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut message = SendAncillaryBuffer::new(&mut space);
        let pidfd = [target.as_fd()];
        ensure!(message.push(SendAncillaryMessage::ScmRights(&pidfd)));
        let text = [IoSlice::new(b"pidfd")];
        sendmsg(&theirs, &text, &mut message, SendFlags::empty())?;
        Ok(String::new())
    })?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let mut text = [0; 5];
    let mut buffers = [IoSliceMut::new(&mut text)];
    recvmsg(&ours, &mut buffers, &mut message, RecvFlags::empty())?;
    let received = message.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let received = received.context("no descriptor")?;
    World::alone()?.replaces(attach(&received, UTS, NONE), UTS, &["ns/uts"])
}

fn from_parent() -> Result<()> {
    let target = Target::new(UTS)?;
    in_child(|| {
        World::alone()?.replaces(target.attach(UTS), UTS, &["ns/uts"])?;
        Ok(String::new())
    })
    .map(drop)
}

fn closed_by_the_request() -> Result<()> {
    let target = Target::new(UTS)?;
    let pidfd = target.pidfd()?;
    let world = World::sharing(Contexts::FILES)?;
    let number = pidfd.as_raw_fd();
    let range = number.try_into()?;
    let args = Args {
        attach: UTS.bits(),
        pidfd: number,
        ..close_range(Contexts::FILES, range, range)
    };
    let replaced = UTS | Contexts::FILES;
    let reply = world.device.commit(args);
    ensure!(
        reply.errno.is_none() && reply.replaced == replaced,
        "{reply:?}"
    );
    ensure!(!open_here(number), "the pidfd is still open");
    // The request has closed it already.
    std::mem::forget(pidfd);
    Ok(())
}
