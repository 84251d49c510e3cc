// SPDX-License-Identifier: GPL-2.0-only

//! A request that fails leaves the caller exactly as it was, in every point that can be seen.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::backend::syscall;
use crate::child::in_child;
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
    suite.slow(
        "each allocation fails in turn: ENOMEM or the like",
        std::time::Duration::from_secs(60),
        || {
            every_allocation(PROCESS, || {
                unshare(PROCESS | Contexts::UTS | Contexts::USER)
            })
        },
    )
}

/// Every context that there is, the address space among them.
fn all() -> Contexts {
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

/// Has the nth allocation, or copy from or to user space, of the request fail, for each n until
/// there are not so many. The caller shares `shared`.
pub(crate) fn every_allocation(shared: Contexts, request: impl Fn() -> Args) -> Result<()> {
    const FAIL_NTH: &str = "/proc/thread-self/fail-nth";
    let _settings = [
        // Also those that could wait for memory: all of ours can.
        ("failslab/ignore-gfp-wait", "N"),
        ("fail_page_alloc/ignore-gfp-wait", "N"),
        ("failslab/verbose", "0"),
        ("fail_page_alloc/verbose", "0"),
        ("fail_usercopy/verbose", "0"),
    ]
    .into_iter()
    .map(|(name, value)| Setting::new(format!("/sys/kernel/debug/{name}"), value))
    .collect::<Result<Vec<_>>>()?;
    let (mut nth, mut survived) = (1, 0);
    loop {
        // Until a request succeeds: after that it takes a new caller.
        let end = in_child(|| {
            let world = World::sharing(shared)?;
            let file = File::options().read(true).write(true).open(FAIL_NTH)?;
            let before = world.snapshot()?;
            for nth in nth.. {
                file.write_at(nth.to_string().as_bytes(), 0)?;
                let reply = world.device.commit(request());
                let mut left = [0; 16];
                // What is left of n says whether there were so many. Where the failure is still to
                // come, it may be this read's, or that of the write.
                let read = file.read_at(&mut left, 0);
                while file.write_at(b"0", 0).is_err() {}
                if reply.errno.is_none() {
                    let left = read.map_or("pending".into(), |len| {
                        String::from_utf8_lossy(&left[..len])
                    });
                    return Ok(format!("{nth} {}", left.trim()));
                }
                let same = before.ensure_same(&world.snapshot()?);
                same.with_context(|| format!("number {nth} failed: {reply:?}"))?;
            }
            unreachable!("there are numbers enough");
        })?;
        let (number, left) = end.split_once(' ').context("no number")?;
        nth = number.parse::<usize>()? + 1;
        if left != "0" {
            break;
        }
        survived += 1;
    }
    // Each new context has at least one that matters.
    let contexts = Contexts::from_bits_retain(request().unshare).each().count();
    ensure!(
        nth - survived > contexts,
        "{nth} allocations, {survived} of which do not matter"
    );
    Ok(())
}
