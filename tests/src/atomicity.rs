// SPDX-License-Identifier: GPL-2.0-only

//! A request that fails leaves the caller exactly as it was, in every point that can be seen.

use std::fs::{self, File};

use anyhow::{Result, ensure};
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::backend::syscall;
use crate::contexts::files::dup_to;
use crate::contexts::sysv::{Semaphore, new_segment, segment_exists, value};
use crate::contexts::user::map_root;
use crate::device::{Args, close_range, unshare};
use crate::everything::{self, PROCESS};
use crate::harness::Suite;
use crate::machine::Setting;
use crate::questions::{chdir, cwd};
use crate::world::World;

/// Each kind of namespace, as it is named in `user.max_*_namespaces`.
pub(crate) const KINDS: [(&str, Contexts); 8] = [
    ("user", Contexts::USER),
    ("mnt", Contexts::MOUNT),
    ("uts", Contexts::UTS),
    ("ipc", Contexts::IPC),
    ("pid", Contexts::PID),
    ("cgroup", Contexts::CGROUP),
    ("net", Contexts::NET),
    ("time", Contexts::TIME),
];

pub(crate) fn suite() -> Suite {
    let mut suite = Suite::new("atomicity")
        .test("fs.nr_open is lowered: EMFILE, CLONE_FILES", nr_open)
        .test("33 user namespaces deep: ENOSPC, CLONE_NEWUSER", too_deep)
        .test(
            "a pid namespace is pending: EINVAL, CLONE_NEWPID",
            pending_pid,
        )
        .test(
            "undo list and shared memory stay when a later step fails",
            ipc_stays,
        )
        .test(
            "the failure can be repeated, and then the request succeeds",
            then_succeeds,
        );
    for (kind, bit) in KINDS {
        for (how, shared) in [
            ("shared", PROCESS),
            ("not shared", PROCESS.difference(Contexts::FS)),
        ] {
            suite = suite.test(
                format!("no {kind} namespaces left, fs {how}: ENOSPC, {bit}"),
                move || limited(kind, bit, shared),
            );
        }
    }
    suite
}

/// Every context that there is, the address space among them.
pub(crate) fn all() -> Contexts {
    everything::all_at_once() | PROCESS
}

/// Everything at once, and all descriptors closed.
fn all_and_close() -> Args {
    close_range(all(), 0, u32::MAX)
}

fn limited(kind: &str, bit: Contexts, shared: Contexts) -> Result<()> {
    let world = World::sharing(shared)?;
    chdir("/proc")?;
    let _limit = Setting::sysctl(&format!("user/max_{kind}_namespaces"), "0")?;
    world.refuses(all_and_close(), Errno::NOSPC, bit)?;
    // The working directory still works, and is still the sharer's too, or not, as before.
    let moved = chdir("/sys")?;
    let followed = world.sharer.ask(cwd, "")? == moved;
    ensure!(followed == shared.contains(Contexts::FS));
    Ok(())
}

fn nr_open() -> Result<()> {
    let world = World::sharing(PROCESS)?;
    dup_to(&File::open("/proc/version")?, 1000)?;
    let _limit = Setting::sysctl("fs/nr_open", "64")?;
    world.refuses(unshare(all()), Errno::MFILE, Contexts::FILES)
}

fn too_deep() -> Result<()> {
    let world = World::alone()?;
    while syscall(Contexts::USER).is_ok() {
        map_root(0, 0)?;
    }
    world.refuses(all_and_close(), Errno::NOSPC, Contexts::USER)
}

fn pending_pid() -> Result<()> {
    let world = World::sharing(PROCESS)?;
    syscall(Contexts::PID)?;
    let request = close_range(all().difference(Contexts::USER), 0, u32::MAX);
    world.refuses(request, Errno::INVAL, Contexts::PID)
}

fn ipc_stays() -> Result<()> {
    syscall(Contexts::IPC)?;
    let semaphore = Semaphore::new()?;
    let world = World::alone()?;
    semaphore.add_with_undo(5)?;
    let segment = new_segment()?.to_string();
    fs::write("/proc/sys/kernel/shm_rmid_forced", "1")?;
    let limit = Setting::sysctl("user/max_time_namespaces", "0")?;
    let request = unshare(Contexts::IPC | Contexts::TIME);
    world.refuses(request, Errno::NOSPC, Contexts::TIME)?;
    drop(limit);
    ensure!(value(&semaphore.id())? == "5", "the undo list was applied");
    ensure!(
        segment_exists(&segment)? == "true",
        "the memory was given up"
    );
    Ok(())
}

fn then_succeeds() -> Result<()> {
    let world = World::sharing(PROCESS)?;
    let limit = Setting::sysctl("user/max_time_namespaces", "0")?;
    for _ in 0..5 {
        world.refuses(all_and_close(), Errno::NOSPC, Contexts::TIME)?;
    }
    drop(limit);
    let reply = world.device.commit(unshare(all()));
    world.ensure_replaced(reply, all())
}
