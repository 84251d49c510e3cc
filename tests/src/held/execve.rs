// SPDX-License-Identifier: GPL-2.0-only

//! execve(2) ends the entries of the thread: the new program must not find a way out.

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
use rustix::io::dup2;
use rustix::pipe::pipe;
use rustix::process::geteuid;
use unshare_device::Contexts;

use super::{ALL, Eye, Held, LEAVE, MOST, command};
use crate::check::ensure;
use crate::child::Child;
use crate::conditions::become_user;
use crate::contexts::mount::folder;
use crate::device::Device;
use crate::harness::Suite;

const SOON: Duration = Duration::from_secs(20);

pub(crate) fn suite() -> Suite {
    Suite::new("held_execve")
        .test("inside: the program stays inside", executed)
        .test("inside, by another thread than the first", executed_by_second)
        .test("by a sibling: the program is outside", executed_by_sibling)
        .test("inside of two: both entries go", executed_deep)
        .test("a call that fails: the thread is inside, and leaves", failed_exec)
        .test("a set-user-ID program of a sibling: no privilege, as with another user of the directories", set_user_id)
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
    for (contexts, privileged) in [
        (MOST.difference(Contexts::MOUNT | Contexts::FS), true),
        (Contexts::MOUNT, false),
        (Contexts::FS, false),
    ] {
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
