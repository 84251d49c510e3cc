// SPDX-License-Identifier: GPL-2.0-only

//! A request that fails leaves the caller unchanged in every point that others can see.

use std::collections::BTreeSet;
use std::fs::{self, File};

use anyhow::Result;
use rustix::io::Errno;
use rustix::process::getpid;
use unshare_device::Contexts;

use crate::backend::syscall;
use crate::cgroup::Cgroup;
use crate::check::ensure;
use crate::child::in_child;
use crate::contexts::files::dup_to;
use crate::contexts::sysv::{Semaphore, new_segment, segment_exists, value};
use crate::contexts::user::map_root;
use crate::contexts::vm_request::most_of_memory;
use crate::device::{Args, close_range, unshare};
use crate::everything::{self, PROCESS, replaced};
use crate::harness::Suite;
use crate::machine::Setting;
use crate::questions::{chdir, cwd};
use crate::scale::{limit, rounds};
use crate::world::World;

/// Each kind of namespace, by its name in `user.max_*_namespaces`.
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
        .test(
            "with a pending PID namespace, nothing changes: EINVAL, CLONE_NEWPID",
            pending_pid,
        )
        .test(
            "semaphore adjustments and shared memory stay if a later step fails",
            ipc_stays,
        )
        .test(
            "the failure can be repeated, and without its cause the request succeeds",
            then_succeeds,
        );
    for (how, shared) in [
        ("shared", PROCESS),
        ("private", PROCESS.difference(Contexts::FS)),
    ] {
        suite = suite
            .test(
                format!("with a low fs.nr_open and {how} fs, nothing changes: EMFILE, CLONE_FILES"),
                move || nr_open(shared),
            )
            .test(
                format!(
                    "33 user namespaces deep, with {how} fs, nothing changes: ENOSPC, CLONE_NEWUSER"
                ),
                move || too_deep(shared),
            )
            .test(
                format!(
                    "with vm.overcommit_memory=2 and {how} fs, nothing changes: ENOMEM, CLONE_VM"
                ),
                move || overcommit(shared),
            )
            .test(
                format!("in a cgroup without room for a task, with {how} fs: success"),
                move || no_task(shared),
            )
            .slow(
                format!("in a cgroup without memory, with {how} fs, nothing changes: ENOMEM"),
                limit(),
                move || no_memory(shared),
            );
        for (kind, bit) in KINDS {
            suite = suite.test(
                format!(
                    "with no {kind} namespaces left and {how} fs, nothing changes: ENOSPC, {bit}"
                ),
                move || limited(kind, bit, shared),
            );
        }
    }
    suite
}

/// Every context, including the address space.
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
    // The working directory still works, and is shared with the sharer exactly if it was before.
    let moved = chdir("/sys")?;
    let followed = world.sharer.ask(cwd, "")? == moved;
    ensure!(followed == shared.contains(Contexts::FS));
    Ok(())
}

fn nr_open(shared: Contexts) -> Result<()> {
    let world = World::sharing(shared)?;
    dup_to(&File::open("/proc/version")?, 1000)?;
    let _limit = Setting::sysctl("fs/nr_open", "64")?;
    world.refuses(unshare(all()), Errno::MFILE, Contexts::FILES)
}

fn too_deep(shared: Contexts) -> Result<()> {
    while syscall(Contexts::USER).is_ok() {
        map_root(0, 0)?;
    }
    let world = World::sharing(shared)?;
    world.refuses(all_and_close(), Errno::NOSPC, Contexts::USER)
}

fn overcommit(shared: Contexts) -> Result<()> {
    let _memory = most_of_memory()?;
    let world = World::sharing(shared)?;
    let _strict = Setting::sysctl("vm/overcommit_memory", "2")?;
    world.refuses(unshare(all()), Errno::NOMEM, Contexts::VM)
}

/// A limit of tasks does not matter, because a request makes no task.
fn no_task(shared: Contexts) -> Result<()> {
    let world = World::sharing(shared)?;
    let group = Cgroup::new("atomicity", "pids")?;
    group.add(getpid().as_raw_nonzero().get())?;
    group.set("pids.max", "1")?;
    // Only root of the machine can remove the cgroup.
    let asked = all().difference(Contexts::USER);
    let reply = world.device.commit(unshare(asked));
    // A mount namespace needs a new fs_struct, even if the old one is not shared.
    world.ensure_replaced(reply, replaced(shared, asked) | Contexts::FS)
}

/// Starts with no memory at all, and then allows more and more.
fn no_memory(shared: Contexts) -> Result<()> {
    let group = Cgroup::new("atomicity", "memory")?;
    let times = rounds(16, 400);
    let mut stopped = BTreeSet::new();
    // Until it has failed at three of them, or until the test's time limit.
    for time in 0.. {
        if time >= times && stopped.len() > 2 {
            break;
        }
        // Smaller steps where the limit is low: the last allocations are the largest.
        let room = ((time % times).pow(2) << 20) / times.pow(2);
        stopped.insert(in_child(|| with_room(&group, shared, room))?);
    }
    Ok(())
}

/// Returns the context for which memory was missing, if any.
fn with_room(group: &Cgroup, shared: Contexts, room: usize) -> Result<String> {
    let world = World::sharing(shared)?;
    let before = [world.snapshot()?, world.snapshot_of_sharer()?];
    let reply = group.with_room(room, || world.device.commit(unshare(all())))?;
    if reply.errno.is_none() {
        // A mount namespace needs a new fs_struct, even if the old one is not shared.
        world.ensure_replaced(reply, replaced(shared, all()) | Contexts::FS)?;
        return Ok("nothing".to_owned());
    }
    // Some parts of a network report missing memory by other errnos. These were seen; the first is
    // nl_fib_lookup_init()'s.
    let network = [
        Errno::AFNOSUPPORT,
        Errno::NOBUFS,
        Errno::NODEV,
        Errno::NFILE,
    ]
    .map(Some);
    let without = reply.errno == Some(Errno::NOMEM)
        || reply.failed == Contexts::NET && network.contains(&reply.errno);
    ensure!(without && reply.replaced.is_empty(), "{reply:?}");
    before[0].ensure_same(&world.snapshot()?)?;
    before[1].ensure_same(&world.snapshot_of_sharer()?)?;
    Ok(reply.failed.to_string())
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
