// SPDX-License-Identifier: GPL-2.0-only

//! Shows a task that leaves, step by step, what it shares with another one, and checks each step
//! against kcmp(2) and `/proc`.

mod borrower;
mod limit;
mod sharing;
mod step;
mod table;
mod view;
mod witness;

use std::fs::File;
use std::os::fd::IntoRawFd;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::umask;
use unshare_device::{Contexts, Error, Request};
use unshare_samples::{finish, open_device};

use crate::limit::Limit;
use crate::step::Stage;
use crate::witness::Witness;

/// Where the spare descriptors begin that one step leaves behind.
const SPARE: u32 = 100;

fn main() -> ExitCode {
    finish("demo", run())
}

fn run() -> Result<()> {
    let device = open_device()?;
    let contexts = device.query()?.contexts;
    open_spares()?;
    // SAFETY: This program has one thread, and does nothing with descriptors that it did not open.
    let witness = unsafe { Witness::clone_with(sharing::CLONED) }.context("clone")?;
    let stage = Stage::new(device, witness);

    println!(
        "A task shares with its witness what clone was told: {};",
        sharing::CLONED
    );
    println!("and all namespaces, with every other task too. One step after the other, it leaves.");

    let three = Contexts::FS | Contexts::FILES | Contexts::UTS;
    let limit = Limit::set("/proc/sys/user/max_uts_namespaces", 0)?;
    let refused = Error {
        errno: Errno::NOSPC,
        context: Contexts::UTS,
    };
    stage.step(
        "Three contexts at once, but user.max_uts_namespaces is 0: one is refused, all stay",
        &Request::new().unshare(three),
        three,
        Err(refused),
    )?;
    drop(limit);

    stage.step(
        "The limit is back. A dry run of the same request",
        &Request::new().unshare(three).dry_run(true),
        three,
        Ok(three),
    )?;

    own_directory_and_host_name(&stage)?;
    own_descriptors(&stage)?;
    if contexts.contains(Contexts::VM) {
        stage.own_memory("Own memory and signal handlers, for a vfork child with the task's")?;
    }
    own_everything(&stage, contexts)?;

    println!("\nEach step was checked with kcmp(2) and /proc/PID/ns: all is as the kernel says.");
    Ok(())
}

fn own_directory_and_host_name(stage: &Stage) -> Result<()> {
    let two = Contexts::FS | Contexts::UTS;
    let request = Request::new().unshare(two);
    stage.step("Own directories and host name", &request, two, Ok(two))?;

    std::env::set_current_dir("/proc")?;
    umask(0o077.into());
    rustix::system::sethostname(b"own")?;
    let (own, witness) = stage.compare("cd /proc; umask 077; hostname own")?;
    ensure!(own.host == "own" && witness.host != "own", "host names");
    ensure!(own.directory != witness.directory, "working directories");
    ensure!(own.umask != witness.umask, "umasks");
    Ok(())
}

/// Opened before the witness is there, so that it has them too. Nobody owns them.
fn open_spares() -> Result<()> {
    let null = File::open("/dev/null").context("/dev/null")?;
    for _ in 0..5 {
        let _ = fcntl_dupfd_cloexec(&null, SPARE as i32)?.into_raw_fd();
    }
    Ok(())
}

fn own_descriptors(stage: &Stage) -> Result<()> {
    stage.step(
        "Own descriptors, without the five from 100 upwards, which the witness keeps",
        &Request::new()
            .unshare(Contexts::FILES)
            .close_range(SPARE..=u32::MAX),
        Contexts::FILES,
        Ok(Contexts::FILES),
    )?;
    let (own, witness) = stage.compare("ls /proc/self/fd | wc -l")?;
    ensure!(own.descriptors + 5 == witness.descriptors, "descriptors");
    Ok(())
}

fn own_everything(stage: &Stage, contexts: Contexts) -> Result<()> {
    let namespaces = Contexts::NAMESPACES - Contexts::EMPTY_MNTNS - Contexts::UTS;
    let rest = (namespaces | Contexts::SYSVSEM) & contexts;
    stage.step(
        "And the rest",
        &Request::new().unshare(rest),
        rest,
        // A mount namespace comes with its own fs_struct, shared or not.
        Ok(rest | Contexts::FS),
    )?;

    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    mount(c"tmpfs", c"/tmp", c"tmpfs", MountFlags::NOSUID, None).context("/tmp")?;
    let (own, witness) = stage.compare("mount -t tmpfs tmpfs /tmp")?;
    ensure!(own.mounts == witness.mounts + 1, "mounts");
    Ok(())
}
