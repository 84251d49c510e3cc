// SPDX-License-Identifier: GPL-2.0-only

//! Targets that withdraw the permission to look at them and then change directory, while a request
//! attaches to them.
//!
//! A request checks the permission and then takes the directories. Only a few instructions are between
//! the two, so these tests stretch that time: the caller shares its processor with a real-time task. That
//! task preempts the caller at a random moment, lets the target go, and keeps the processor until the
//! target is in the directory that the caller must not reach. In about one round of ten, the preempted
//! caller is between the check and the use. A kernel without preemption has no such rounds.

use std::fs::{self, File, Permissions};
use std::hint::spin_loop;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{park, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{DumpableBehavior, PidfdFlags, fchdir, pidfd_open, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities};
use unshare_device::Contexts;

use super::target::attach;
use crate::check::{bail, ensure};
use crate::child::Child;
use crate::conditions::become_user;
use crate::contexts::mount::{folder, mount_tmpfs, stage};
use crate::contexts::vm_leaving::run_on;
use crate::device::{Device, checked};
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Page};
use crate::scale::{dice, limit, rounds};
use crate::tally::{Tried, tried};

const USER: u32 = 1000;

/// States of the mailbox: the target is ready to go, and the target may go.
const READY: u32 = 1;
const GO: u32 = 2;

/// How long the real-time task keeps the processor. A target whose `exec_update_lock` the preempted caller
/// holds cannot execute its program in that time.
const LONG_ENOUGH: Duration = Duration::from_millis(100);

const SOON: Duration = Duration::from_secs(20);

pub(crate) fn suite() -> Suite {
    Suite::new("attach_withdrawn")
        .slow(
            "the caller does not get a directory that a set-user-ID program changes to",
            limit(),
            set_user_id,
        )
        .slow(
            "the caller does not get a directory that the target changes to after it clears its dumpable flag",
            limit(),
            not_dumpable,
        )
}

fn set_user_id() -> Result<()> {
    let secret = secret_directory()?;
    let program = folder("attach-withdrawn")? + "/program";
    fs::copy("/proc/self/exe", &program)?;
    fs::set_permissions(&program, Permissions::from_mode(0o4755))?;
    not_followed(|there| {
        let mut program = Command::new(&program);
        program.arg("--stay-in").arg(&secret).stdout(there);
        bail!(program.exec());
    })
}

/// What the set-user-ID program does: it stays in this directory.
pub(crate) fn stay_in(directory: &Path) -> Result<()> {
    std::env::set_current_dir(directory)?;
    println!("there");
    stay()
}

fn stay() -> ! {
    loop {
        park();
    }
}

fn not_dumpable() -> Result<()> {
    let secret = secret_directory()?;
    // Root opens it, since the target cannot.
    let opened = File::open(&secret)?;
    not_followed(|there| {
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        fchdir(&opened)?;
        write(there, b"there")?;
        stay();
    })
}

/// A directory that every user may enter, inside one that only root may enter.
fn secret_directory() -> Result<String> {
    let path = folder("attach-withdrawn")?;
    stage()?;
    mount_tmpfs(&path)?;
    let closed = format!("{path}/closed");
    let inner = format!("{closed}/open");
    fs::create_dir_all(&inner)?;
    fs::set_permissions(&closed, Permissions::from_mode(0o700))?;
    fs::write(format!("{inner}/secret"), "root's")?;
    Ok(inner)
}

/// While a task of an unprivileged user attaches to a target of that user, the target does what `leave`
/// says: it goes to the secret directory and then writes to the pipe.
fn not_followed(leave: impl Fn(OwnedFd) -> Result<String>) -> Result<()> {
    let mut dice = dice("attach_withdrawn");
    std::env::set_current_dir("/")?;
    run_on(0)?;
    become_real_time()?;
    let (wanted, mut late) = (rounds(80, 10_000), 0);
    for round in 0..wanted {
        tried(Tried::Race);
        let mailbox = Mailbox::new()?;
        let page = mailbox.page();
        let (arrival, there) = pipe_with(PipeFlags::NONBLOCK)?;
        let target = Child::spawn(|| {
            run_on(1)?;
            become_user(USER)?;
            page.post(READY, "");
            while page.state() != GO {
                spin_loop();
            }
            leave(there.try_clone()?)
        })?;
        page.wait(&[READY], SOON)
            .context("the target is not ready")?;
        let pidfd = pidfd_open(target.pid, PidfdFlags::empty())?;
        let caller = Child::spawn(|| attach_until_refused(&pidfd, page))?;
        let start = Instant::now();
        while page.word.load(Relaxed) < 3 && start.elapsed() < SOON {
            sleep(Duration::from_micros(500));
        }
        sleep(Duration::from_nanos(dice.u64(..500_000)));

        // This task must not sleep until the target is there, or the caller would run. So the target
        // writes to a pipe: reading its /proc/PID/cwd would wait for the end of execve(2).
        page.post(GO, "");
        let start = Instant::now();
        while read(&arrival, &mut [0]) == Err(Errno::AGAIN) {
            if start.elapsed() > LONG_ENOUGH {
                late += 1;
                break;
            }
        }
        let report = caller.report(SOON);
        report.with_context(|| format!("in round {round}"))?;
        target.stop()?;
    }
    eprintln!("attach_withdrawn: the target did not arrive in time in {late} of {wanted} rounds");
    Ok(())
}

/// Makes the calling task a real-time task, and none of its children.
fn become_real_time() -> Result<()> {
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: The parameters live across the call.
    checked(unsafe { libc::sched_setscheduler(0, policy, &raw const first) })?;
    Ok(())
}

/// Attaches to the directories of the target until the target forbids that, and then tries to read the
/// secret.
fn attach_until_refused(pidfd: &OwnedFd, page: &Page) -> Result<String> {
    let device = Device::open()?;
    become_user_who_may_chroot()?;
    loop {
        let reply = device.commit(attach(pidfd, Contexts::FS, Contexts::empty()));
        match reply.errno {
            None => {
                page.word.fetch_add(1, Relaxed);
            }
            Some(Errno::BUSY) => {}
            Some(Errno::ACCESS) => break,
            _ => bail!("{reply:?}"),
        }
    }
    // A request that fails changes nothing, so the directories are those of the last success.
    let taken = page.word.load(Relaxed);
    ensure!(taken > 0, "the caller never attached");
    let secret = fs::read_to_string("secret");
    ensure!(
        secret.is_err(),
        "uid {USER} reads {secret:?} after {taken} times"
    );
    Ok(String::new())
}

/// Becomes the target's user, with the one capability that attaching to directories requires.
fn become_user_who_may_chroot() -> Result<()> {
    set_keep_capabilities(true)?;
    become_user(USER)?;
    let sets = CapabilitySets {
        effective: CapabilitySet::SYS_CHROOT,
        permitted: CapabilitySet::SYS_CHROOT,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}
