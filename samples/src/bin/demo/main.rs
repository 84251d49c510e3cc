// SPDX-License-Identifier: GPL-2.0-only

//! Six scenes with a task that stops sharing contexts with another one, the witness. Each scene is checked with
//! kcmp(2) and `/proc`, without the module.

mod borrower;
mod limit;
mod sharing;
mod step;
mod style;
mod table;
mod view;
mod witness;

use std::fs::File;
use std::os::fd::IntoRawFd;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::umask;
use unshare_device::{self as device, Contexts, Error, Query, Request};
use unshare_samples::{finish, open_device};

use crate::limit::Limit;
use crate::step::Stage;
use crate::style::Color;
use crate::witness::Witness;

/// The first of the spare descriptors, which the third scene leaves out of the caller's table.
const SPARE: u32 = 100;

/// The contexts of the first two scenes.
const THREE: Contexts = Contexts::FS.union(Contexts::FILES).union(Contexts::UTS);

/// Show in six scenes what /dev/unshare does for a task, as root.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
struct Options {
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

fn main() -> ExitCode {
    finish("demo", run(&Options::parse()))
}

fn run(options: &Options) -> Result<()> {
    options.color.decide();
    let device = open_device()?;
    let Query {
        contexts, options, ..
    } = device.query()?;
    open_spares()?;
    // SAFETY: This program has one thread, and does nothing with descriptors that it did not open.
    let witness = unsafe { Witness::clone_with(sharing::CLONED) }.context("clone")?;
    let stage = Stage::new(device, witness);

    println!("Two tasks share most of their execution context. In six scenes one of them,");
    println!("the caller, stops sharing; the other one, the witness, changes nothing.");
    stage.open()?;
    ask_first(&stage)?;
    all_or_nothing(&stage)?;
    own_names(&stage)?;
    if contexts.contains(Contexts::VM) {
        own_memory(&stage)?;
    }
    if options.contains(device::Options::HOLD) {
        there_and_back(&stage)?;
    }
    own_everything(&stage, contexts)?;

    println!("\nAfter each scene, kcmp(2) and /proc/PID/ns confirmed what the module reported.");
    Ok(())
}

fn ask_first(stage: &Stage) -> Result<()> {
    stage.scene(
        "Ask first",
        ": a dry run reports what a request would replace, changing nothing.",
    );
    stage.request(
        &Request::new().unshare(THREE).dry_run(true),
        THREE,
        Ok(THREE),
    )
}

fn all_or_nothing(stage: &Stage) -> Result<()> {
    stage.scene(
        "All or nothing",
        ": a limit forbids the last part; the other two stay shared.",
    );
    let limit = Limit::set("/proc/sys/user/max_uts_namespaces", 0)?;
    let refused = Error {
        errno: Errno::NOSPC,
        context: Contexts::UTS,
    };
    stage.request(&Request::new().unshare(THREE), THREE, Err(refused))?;
    drop(limit);
    Ok(())
}

fn own_names(stage: &Stage) -> Result<()> {
    stage.scene(
        "Own directories, descriptors and host name",
        ": the caller sets a name,\n   \
         directory and umask; the witness keeps its own, and five descriptors more.",
    );
    let request = Request::new().unshare(THREE).close_range(SPARE..=u32::MAX);
    stage.request(&request, THREE, Ok(THREE))?;

    std::env::set_current_dir("/proc")?;
    umask(0o077.into());
    rustix::system::sethostname(b"own")?;
    let (own, witness) = stage.compare()?;
    ensure!(own.host == "own" && witness.host != "own", "host names");
    ensure!(own.directory != witness.directory, "working directories");
    ensure!(own.umask != witness.umask, "umasks");
    ensure!(own.descriptors + 5 == witness.descriptors, "descriptors");
    Ok(())
}

/// Opens the spare descriptors. The witness is cloned later and has them too. No value of this program owns them.
fn open_spares() -> Result<()> {
    let null = File::open("/dev/null").context("/dev/null")?;
    for _ in 0..5 {
        let _ = fcntl_dupfd_cloexec(&null, SPARE as i32)?.into_raw_fd();
    }
    Ok(())
}

fn own_memory(stage: &Stage) -> Result<()> {
    stage.scene(
        "Own memory",
        ": a child borrows the caller's memory, as after vfork(2), gets a\n   \
         copy, and writes to a variable again. No system call of Linux can do that.",
    );
    stage.own_memory()
}

fn there_and_back(stage: &Stage) -> Result<()> {
    stage.scene(
        "There and back",
        ": a descriptor holds new contexts. The caller enters them, as\n   \
         for a moment in a container, and leaves: that needs no permission.",
    );
    let held = Contexts::MOUNT | Contexts::UTS | Contexts::NET;
    let (inside, back) = stage.visit(held, || {
        rustix::system::sethostname(b"inside")?;
        mount_tmp()
    })?;
    ensure!(inside.host == "inside" && back.host == "own", "host names");
    ensure!(inside.mounts == back.mounts + 1, "mounts");
    Ok(())
}

fn own_everything(stage: &Stage, contexts: Contexts) -> Result<()> {
    stage.scene(
        "Everything else",
        ": fs is replaced unasked, as a directory belongs to a mount\n   \
         namespace. The caller then mounts a file system on /tmp.",
    );
    let namespaces = Contexts::NAMESPACES - Contexts::EMPTY_MNTNS - Contexts::UTS;
    let rest = (namespaces | Contexts::SYSVSEM) & contexts;
    stage.request(
        &Request::new().unshare(rest),
        rest,
        // A mount namespace comes with its own fs_struct, also if the old one was not shared.
        Ok(rest | Contexts::FS),
    )?;

    mount_tmp()?;
    let (own, witness) = stage.compare()?;
    ensure!(own.mounts == witness.mounts + 1, "mounts");
    Ok(())
}

/// Mounts a file system that no other mount namespace gets.
fn mount_tmp() -> Result<()> {
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    mount(c"tmpfs", c"/tmp", c"tmpfs", MountFlags::NOSUID, None).context("/tmp")
}
