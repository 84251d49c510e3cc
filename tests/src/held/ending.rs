// SPDX-License-Identifier: GPL-2.0-only

//! How a stay ends that is not left: by fork, by the end of the thread, and by another program.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::{Errno, dup2, read as read_from, write as write_to};
use rustix::pipe::pipe;
use rustix::process::{geteuid, getpid};
use unshare_device::Contexts;

use super::{ALL, Eye, Held, LEAVE, command, leave_last};
use crate::attach::target::Target;
use crate::backend::setns;
use crate::check::ensure;
use crate::child::{Child, in_child};
use crate::conditions::become_user;
use crate::contexts::mount::folder;
use crate::device::Device;
use crate::harness::Suite;
use crate::oracle::{Kcmp, same};
use crate::questions::{chdir, cwd};
use crate::scale::rounds;
use crate::sharer::Sharer;

const SOON: Duration = Duration::from_secs(20);

/// What a thread may enter that makes threads and processes there.
const MOST: Contexts = ALL.difference(Contexts::PID);

pub(crate) fn suite() -> Suite {
    Suite::new("held_ending")
        .test("a child that is forked inside is inside, and cannot leave", forked)
        .test("a task that shares the directories inside keeps them", cloned)
        .test("a thread that ends inside is not counted, and no user of the directories", ended)
        .test("a process that is killed inside is not counted", killed)
        .test("after a thread that ended inside, no other thread has its entries", reused)
        .test("execve(2) inside: the program stays inside", executed)
        .test("execve(2) inside, by another thread than the first", executed_by_second)
        .test("execve(2) by a sibling: the program is outside", executed_by_sibling)
        .test("execve(2) inside of two: both entries go", executed_deep)
        .test("execve(2) that fails: the thread is inside, and leaves", failed_exec)
        .test("a set-user-ID program of a sibling: no privilege, as with another user of the directories", set_user_id)
}

fn forked() -> Result<()> {
    let device = Device::open()?;
    let held = Held::new(MOST)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.enter()?;
    let inside = eye.view()?;
    let outcome = in_child(|| {
        let eye = Eye::new()?;
        inside.ensure_same(&eye.view()?)?;
        ensure!(held.leave() == Err(Errno::INVAL));
        ensure!(leave_last(&device) == Err(Errno::INVAL));
        // It can enter for itself.
        held.inside(|| Ok(()))?;
        inside.ensure_same(&eye.view()?)?;
        ensure!(held.threads()? == 1);
        Ok(String::new())
    });
    held.leave()?;
    outcome?;
    before.ensure_same(&eye.view()?)
}

fn cloned() -> Result<()> {
    let held = Held::new(Contexts::FS)?;
    held.enter()?;
    let sharer = Sharer::new(Contexts::FS);
    let moved = chdir("/proc");
    held.leave()?;
    let (sharer, moved) = (sharer?, moved?);
    ensure!(sharer.ask(cwd, "")? == moved, "the sharer is elsewhere");
    ensure!(cwd("")? != moved);
    let pids = [getpid(), sharer.pid].map(|pid| pid.as_raw_nonzero().get());
    ensure!(!same(pids[0], pids[1], Kcmp::Fs)?);
    Ok(())
}

/// Whether nobody else uses the caller's directories: setns(2) asks that of one who goes to a mount namespace.
fn directories_are_own(target: &Target) -> Result<(), Errno> {
    setns(target.as_fd(), Contexts::MOUNT)
}

fn ended() -> Result<()> {
    let target = Target::new(Contexts::MOUNT)?;
    let held = Held::new(MOST)?;
    for _ in 0..8 {
        thread::scope(|scope| {
            let stay = || (0..3).try_for_each(|_| held.enter());
            scope.spawn(stay).join().expect("the thread panicked")
        })?;
    }
    wait_until(|| Ok(held.threads()? == 0))?;
    wait_until(|| Ok(directories_are_own(&target).is_ok()))
}

/// A thread that is joined may have some steps of its end before it.
fn wait_until(condition: impl Fn() -> Result<bool>) -> Result<()> {
    for _ in 0..200 {
        if condition()? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    ensure!(condition()?, "it did not come to that");
    Ok(())
}

fn killed() -> Result<()> {
    let held = Held::new(ALL)?;
    for _ in 0..8 {
        let (read, write) = pipe()?;
        let child = Child::spawn(|| {
            held.enter()?;
            write_to(&write, b"x")?;
            loop {
                thread::park();
            }
        })?;
        drop(write);
        let mut byte = [0];
        read_from(&read, &mut byte[..])?;
        let inside = held.threads()?;
        child.stop()?;
        ensure!(inside == 1, "{inside} inside");
        ensure!(held.threads()? == 0, "it is dead and inside");
    }
    Ok(())
}

/// The kernel makes the next task in the memory of one that is gone.
fn reused() -> Result<()> {
    let held = Held::new(Contexts::NET | Contexts::FS)?;
    let device = Device::open()?;
    let each = rounds(60, 500);
    for _ in 0..3 {
        for _ in 0..each {
            let die = || held.enter();
            thread::scope(|scope| scope.spawn(die).join().expect("the thread panicked"))?;
        }
        for _ in 0..each {
            let try_leave = || (leave_last(&device), held.leave());
            let left = thread::scope(|scope| scope.spawn(try_leave).join());
            let left = left.expect("the thread panicked");
            ensure!(left == (Err(Errno::INVAL), Err(Errno::INVAL)), "{left:?}");
        }
    }
    wait_until(|| Ok(held.threads()? == 0))
}

/// What the program does: says where it is, and what LEAVE says to it.
pub(crate) fn program(device: RawFd) -> Result<()> {
    // SAFETY: The test has left the two descriptors open.
    let fds = [device, device + 1].map(|fd| unsafe { BorrowedFd::borrow_raw(fd) });
    let left = fds.map(|fd| command(fd, LEAVE));
    println!(
        "{} {left:?}",
        fs::read_link("/proc/thread-self/ns/uts")?.display()
    );
    Ok(())
}

/// Numbers that nobody else has.
const DEVICE: RawFd = 200;

/// Executes [`program`] with both descriptors open.
fn execute(device: &Device, held: &Held, stdout: OwnedFd) -> Result<()> {
    for (fd, number) in [(device.as_fd(), DEVICE), (held.as_fd(), DEVICE + 1)] {
        let mut copy = ManuallyDrop::new(unsafe_owned(number));
        dup2(fd, &mut copy)?;
    }
    let mut program = Command::new("/proc/self/exe");
    program
        .arg("--leave")
        .arg(DEVICE.to_string())
        .stdout(stdout);
    Err(program.exec()).context("exec")
}

fn unsafe_owned(number: RawFd) -> OwnedFd {
    // SAFETY: Nobody else has the number, and the value is never dropped.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Has a child execute the program in some way. Returns what it says, and the namespaces outside and inside.
fn program_of(
    how: impl Fn(&Device, &Held, OwnedFd) -> Result<()>,
) -> Result<(String, [String; 2], Held)> {
    let device = Device::open()?;
    let held = Held::new(MOST)?;
    let eye = Eye::new()?;
    let outside = eye.view()?.get("uts")?.to_owned();
    let inside = held.inside(|| Ok(eye.view()?.get("uts")?.to_owned()))?;
    let (read, write) = pipe()?;
    let child = Child::spawn(|| {
        how(&device, &held, write.try_clone()?)?;
        Ok(String::new())
    })?;
    drop(write);
    let mut text = String::new();
    File::from(read).read_to_string(&mut text)?;
    // The program does not report.
    let said = child.report(SOON);
    ensure!(!text.is_empty(), "{said:?}");
    Ok((text, [outside, inside], held))
}

/// The program is there, is not counted, and cannot leave.
fn ensure_stays(outcome: (String, [String; 2], Held), place: usize) -> Result<()> {
    let (text, places, held) = outcome;
    let expected = format!("{} [Err(Os {{ code: 22", places[place]);
    let refused = text.matches("code: 22").count();
    ensure!(
        text.starts_with(&expected) && refused == 2,
        "{text} instead of {expected}"
    );
    ensure!(held.threads()? == 0);
    Ok(())
}

fn executed() -> Result<()> {
    let outcome = program_of(|device, held, stdout| {
        held.enter()?;
        execute(device, held, stdout)
    })?;
    ensure_stays(outcome, 1)
}

fn executed_deep() -> Result<()> {
    let outcome = program_of(|device, held, stdout| {
        held.enter()?;
        held.enter()?;
        execute(device, held, stdout)
    })?;
    ensure_stays(outcome, 1)
}

fn executed_by_second() -> Result<()> {
    let outcome = program_of(|device, held, stdout| {
        let second = || {
            held.enter()?;
            execute(device, held, stdout)
        };
        thread::scope(|scope| scope.spawn(second).join().expect("the thread panicked"))
    })?;
    ensure_stays(outcome, 1)
}

fn executed_by_sibling() -> Result<()> {
    let outcome = program_of(|device, held, stdout| {
        beside_thread_inside(held, || execute(device, held, stdout))
    })?;
    ensure_stays(outcome, 0)
}

/// Runs `body` while a second thread of this process is inside of `held`. That thread never leaves: `body` executes a
/// program.
fn beside_thread_inside<T>(held: &Held, body: impl FnOnce() -> T) -> T {
    let inside = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            held.enter().expect("ENTER");
            inside.wait();
            loop {
                thread::park();
            }
        });
        inside.wait();
        body()
    })
}

fn failed_exec() -> Result<()> {
    let held = Held::new(ALL)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.inside(|| {
        let error = Command::new("/proc/version").exec();
        ensure!(error.raw_os_error() == Some(libc::EACCES), "{error}");
        Ok(())
    })?;
    before.ensure_same(&eye.view()?)
}

/// The thread that is inside is a user of the directories that check_unsafe_exec() does not find.
fn set_user_id() -> Result<()> {
    let program = folder("held-set-user-id")? + "/program";
    fs::copy("/proc/self/exe", &program)?;
    fs::set_permissions(&program, Permissions::from_mode(0o4755))?;
    for (contexts, privileged) in [(Contexts::NET, true), (Contexts::FS, false)] {
        let held = Held::new(contexts)?;
        let (read, write) = pipe()?;
        let child = Child::spawn(|| {
            beside_thread_inside(&held, || {
                // This changes the calling thread alone; the thread that is inside stays root's.
                become_user(1000)?;
                let mut command = Command::new(&program);
                command.arg("--who").stdout(write.try_clone()?);
                Err(command.exec()).context("exec")
            })
        })?;
        drop(write);
        let mut text = String::new();
        File::from(read).read_to_string(&mut text)?;
        let said = child.report(SOON);
        let expected = if privileged { "0\n" } else { "1000\n" };
        ensure!(text == expected, "{contexts}: {text:?} {said:?}");
    }
    Ok(())
}

/// What the set-user-ID program does.
pub(crate) fn who() {
    println!("{}", geteuid());
}
