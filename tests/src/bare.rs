// SPDX-License-Identifier: GPL-2.0-only

//! A kernel without most contexts: the query reports that, the log names what is missing, and
//! requests fail as unshare(2) and setns(2) do there. The contexts that the kernel has still work.

use std::os::fd::AsFd;

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::attach::target::{attach, own_pidfd};
use crate::backend::Backend;
use crate::check::ensure;
use crate::device::{Device, UNSHARE_EMPTY_MNTNS, close_range, unshare};
use crate::differential::{compare, without};
use crate::everything::PROCESS;
use crate::harness::Suite;
use crate::kmsg::KernelLog;
use crate::world::World;

const MEMORY: Contexts = Contexts::VM.union(Contexts::SIGHAND);

/// The contexts that every kernel has. A request for System V semaphores succeeds if they are not
/// shared.
const ALWAYS: Contexts = PROCESS
    .union(Contexts::THREAD)
    .union(Contexts::MOUNT)
    .union(Contexts::EMPTY_MNTNS);

/// The kinds of namespaces that a kernel may lack, and the function that creates each.
pub(crate) const KINDS: [(Contexts, &str); 7] = [
    (Contexts::UTS, "copy_utsname"),
    (Contexts::IPC, "copy_ipcs"),
    (Contexts::USER, "create_user_ns"),
    (Contexts::PID, "copy_pid_ns"),
    (Contexts::NET, "copy_net_ns"),
    (Contexts::CGROUP, "copy_cgroup_ns"),
    (Contexts::TIME, "copy_time_ns"),
];

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("bare")
        .bare("the query offers only contexts of this kernel", offered)
        .bare(
            "the log names each missing function and the context that needs it",
            said,
        )
        .bare("attaching to a missing kind is refused", refused)
        .bare("CLONE_VM and CLONE_SIGHAND work", || {
            let world = World::sharing(MEMORY)?;
            world.replaces(unshare(MEMORY), MEMORY, &["kcmp/sighand", "kcmp/vm"])
        })
        .bare("CLONE_NEWNS works", || {
            let world = World::sharing(Contexts::FS)?;
            let replaced = Contexts::MOUNT | Contexts::FS;
            let points = ["cwd", "kcmp/fs", "ns/mnt", "root"];
            world.replaces(unshare(Contexts::MOUNT), replaced, &points)
        })
        .bare("CLONE_FILES with a close range works", || {
            let world = World::sharing(Contexts::FILES)?;
            let args = close_range(Contexts::FILES, 1000, u32::MAX);
            world.replaces(args, Contexts::FILES, &["kcmp/files"])
        });
    without().into_iter().fold(suite, |suite, case| {
        suite.bare(format!("{}: as unshare(2)", case.name()), move || {
            compare(&case)
        })
    })
}

fn offered() -> Result<()> {
    let query = Device::open()?.query()?;
    let offered = Contexts::from_bits_retain(query.contexts);
    ensure!(offered == ALWAYS | UNSHARE_EMPTY_MNTNS, "{offered}");
    let attachable = Contexts::from_bits_retain(query.attachable);
    ensure!(attachable == Contexts::MOUNT | Contexts::FS, "{attachable}");
    Ok(())
}

fn said() -> Result<()> {
    let lines = KernelLog::from_boot()?.lines()?;
    for (kind, function) in KINDS {
        let line = format!("unshare: the kernel lacks {function}: no {kind}");
        ensure!(lines.contains(&line), "the kernel did not log {line:?}");
    }
    let count = lines
        .iter()
        .filter(|line| line.contains(": the kernel lacks "));
    ensure!(count.count() == KINDS.len(), "it lacks more");
    Ok(())
}

fn refused() -> Result<()> {
    let world = World::sharing(Contexts::FS)?;
    let pidfd = own_pidfd()?;
    for (kind, _) in KINDS {
        let args = attach(&pidfd, kind, Contexts::empty());
        world.refuses(args, Errno::INVAL, kind)?;
        let syscall = Backend::Syscall.attach(&world.device, pidfd.as_fd(), kind);
        ensure!(syscall == Err(Errno::INVAL), "setns: {syscall:?} of {kind}");
    }
    Ok(())
}
