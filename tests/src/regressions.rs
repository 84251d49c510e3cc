// SPDX-License-Identifier: GPL-2.0-only

//! Known bugs of this part of Linux, by name; each must not occur here.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{Signal, Uid, kill_process};
use rustix::thread::set_thread_res_uid;
use unshare_device::Contexts;

use crate::attach::target::{ATTACHABLE, KINDS, Target};
use crate::barrier::Barrier;
use crate::check::{bail, ensure};
use crate::child::{Child, in_child};
use crate::conditions::in_chroot;
use crate::contexts::files::{ensure_lowest_free, fill};
use crate::contexts::mount::{folder, mount_tmpfs, stage};
use crate::contexts::sysv::{attach as attach_segment, new_segment, remove_segment};
use crate::contexts::{vm_core, vm_request};
use crate::device::{close_range, unshare};
use crate::everything::{PROCESS, SHARED};
use crate::faults::each_fails;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::oracle::inode;
use crate::questions::{change_root, chdir, place_of, root};
use crate::scale::{dice, limit, rounds};
use crate::slab::leaves_nothing;
use crate::tally::{Tried, tried};
use crate::world::World;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("regressions");
    let suite = [PROCESS, PROCESS.difference(Contexts::FS)]
        .into_iter()
        .fold(suite, |suite, shared| {
            let how = match shared.contains(Contexts::FS) {
                true => "shared",
                false => "private",
            };
            suite.test(
                format!("CVE-2026-43472: a failed request keeps root and cwd, {how} fs"),
                move || detached(shared),
            )
        });
    suite
        .slow(
            "a request whose last step fails leaks no nsproxy",
            limit(),
            nsproxy,
        )
        .test(
            "CVE-2024-45025: a partly copied descriptor bitmap has no stale bits",
            bitmap,
        )
        .test(
            "85b6d24646e4: a task with shared memory of several IPC namespaces can exit",
            segments,
        )
        .test(
            "3151527ee007: a user namespace from a chroot is refused",
            chroot,
        )
        .test(
            "CVE-2013-1858: a new user namespace does not share its root",
            shared_root,
        )
        .slow(
            "1c465d0518dc: a target may exit during the request",
            limit(),
            exiting,
        )
        .slow(
            "2006: a sharer's core dump during the request is whole",
            limit(),
            vm_core::around_dump,
        )
        .test(
            "12c641ab8270: readers of /proc do not count as sharers",
            vm_request::readers_alone,
        )
}

/// `unshare_fs()` took an `fs_struct` of one user for private, and `copy_mnt_ns()` moved its root and
/// working directory into a mount namespace that a later failure threw away.
fn detached(shared: Contexts) -> Result<()> {
    stage()?;
    let place = folder("detached")?;
    mount_tmpfs(&place)?;
    let world = World::sharing(shared)?;
    chdir(&place)?;
    File::create("a file")?;
    let _limit = Setting::sysctl("user/max_cgroup_namespaces", "0")?;
    let request = unshare(Contexts::MOUNT | Contexts::CGROUP);
    world.refuses(request, Errno::NOSPC, Contexts::CGROUP)?;
    File::open("a file").context("in the working directory")?;
    ensure!(fs::read_link("/proc/self/cwd")? == Path::new(&place));
    ensure!(place_of(".")? == place_of(&place)?);
    Ok(())
}

/// `ksys_unshare()` forgot the namespaces that it had made when `set_cred_ucounts()` failed.
fn nsproxy() -> Result<()> {
    // The call allocates a counter, and so can fail, only if the namespaces were counted for
    // another uid.
    let [root, user] = [0, 1000].map(Uid::from_raw);
    set_thread_res_uid(user, root, root)?;
    let times = rounds(10, 1000);
    leaves_nothing(times, times, || {
        each_fails(1, Contexts::empty(), || {
            unshare(Contexts::USER | Contexts::UTS)
        })
    })
}

/// `dup_fd()` copied whole words of `full_fds_bits`, and kept bits beyond the last descriptor.
fn bitmap() -> Result<()> {
    for kept in [3, 63, 64, 65, 100, 128, 640] {
        in_child(|| {
            let world = World::sharing(SHARED)?;
            let file = File::open("/proc/version")?;
            fill(&file, 1024)?;
            let reply = world.device.commit(close_range(Contexts::FILES, kept, !0));
            ensure!(reply.errno.is_none(), "{reply:?}");
            let file = File::open("/proc/version")?;
            ensure_lowest_free(&file, 1100)?;
            Ok(String::new())
        })
        .with_context(|| format!("{kept} kept"))?;
    }
    Ok(())
}

/// A task took its list of shared memory into another IPC namespace, whose lock does not protect
/// it.
fn segments() -> Result<()> {
    for _ in 0..5 {
        in_child(|| {
            let world = World::alone()?;
            let mut all = Vec::new();
            for _ in 0..3 {
                let segment = new_segment()?;
                attach_segment(segment)?;
                all.push(segment);
                let reply = world.device.commit(unshare(Contexts::IPC));
                ensure!(reply.replaced == Contexts::IPC, "{reply:?}");
            }
            // A number of the first namespace has no meaning in the last.
            all.into_iter().for_each(remove_segment);
            attach_segment(new_segment()?)?;
            Ok(String::new())
        })?;
    }
    Ok(())
}

/// A chrooted task could leave its chroot as root of a user namespace.
fn chroot() -> Result<()> {
    in_chroot(&mut World::alone()?, &mut |world| {
        world.refuses(unshare(Contexts::USER), Errno::PERM, Contexts::USER)?;
        Ok(String::new())
    })
    .map(drop)
}

/// The chroot of a user namespace's root also moved the root of a privileged task.
fn shared_root() -> Result<()> {
    let place = folder("shared-root")?;
    let world = World::sharing(Contexts::FS)?;
    let old = world.sharer.ask(root, "")?;
    let reply = world.device.commit(unshare(Contexts::USER));
    ensure!(reply.replaced == Contexts::USER | Contexts::FS, "{reply:?}");
    change_root(&place)?;
    ensure!(world.sharer.ask(root, "")? == old, "the sharer was moved");
    ensure!(inode(&root("")?)? != inode(&old)?, "the caller was not");
    Ok(())
}

/// Between two looks at a target, `setns()` took namespaces that no task was in any more.
fn exiting() -> Result<()> {
    let mut dice = dice("a target that exits meanwhile");
    let (mut attached, mut late) = (0, 0);
    let mut lead = Lead::default();
    // Until both outcomes have occurred, or until the test's time limit.
    while attached + late < rounds(12, 2000) || attached == 0 || late == 0 {
        let target = Target::new(KINDS)?;
        let [attach, kill] = [(); 2].map(|()| dice.u64(..400));
        let delays = lead.delays(attach, kill);
        // A task that ends releases its directories before its namespaces.
        let kinds = [KINDS, ATTACHABLE][(attached + late) % 2];
        let is_attached = in_child(|| attach_to_dying(&target, kinds, delays))? == "attached";
        match is_attached {
            true => attached += 1,
            false => late += 1,
        }
        lead.follow(is_attached);
    }
    eprintln!("attached {attached} times, and late {late} times; {lead:?}");
    Ok(())
}

/// How long before the request the target is killed, in microseconds; negative if after it.
///
/// A slow kernel takes milliseconds to end a task, a fast one a few microseconds. So the lead grows
/// while the target is still attached, and shrinks while it is gone; it settles where both occur.
#[derive(Debug, Default)]
struct Lead {
    micros: i64,
    step: i64,
}

impl Lead {
    const STEPS: [i64; 2] = [100, 50_000];

    fn delays(&self, attach: u64, kill: u64) -> [Duration; 2] {
        let by = self.micros.unsigned_abs();
        let [before, after] = if self.micros > 0 { [by, 0] } else { [0, by] };
        [attach + before, kill + after].map(Duration::from_micros)
    }

    /// Steps grow while the outcome stays the same, and shrink when it changes.
    fn follow(&mut self, is_attached: bool) {
        let [least, most] = Self::STEPS;
        let is_same = (self.step > 0) == is_attached;
        let length = match is_same {
            true => self.step.abs() * 2,
            false => self.step.abs() / 2,
        };
        let length = length.clamp(least, most);
        self.step = if is_attached { length } else { -length };
        self.micros += self.step;
    }
}

/// Waits actively, because a sleep is not exact enough.
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {}
}

fn attach_to_dying(target: &Target, kinds: Contexts, delays: [Duration; 2]) -> Result<String> {
    tried(Tried::Race);
    let world = World::alone()?;
    let (pid, theirs) = (target.pid()?, target.snapshot(&world)?);
    let barrier = Barrier::new()?;
    let killer = Child::spawn(|| {
        barrier.come(2)?;
        spin(delays[1]);
        kill_process(pid, Signal::KILL)?;
        Ok(String::new())
    })?;
    barrier.come(2)?;
    spin(delays[0]);
    let reply = world.device.commit(target.attach(kinds));
    killer.report(Duration::from_secs(20))?;
    match reply.errno {
        None => {
            let own = world.snapshot()?;
            for kind in ["mnt", "uts", "ipc", "net", "cgroup", "user", "time"] {
                let point = format!("ns/{kind}");
                ensure!(own.get(&point)? == theirs.get(&point)?, "{kind} is another");
            }
            Ok("attached".to_owned())
        }
        Some(Errno::SRCH) if reply.replaced.is_empty() => Ok("late".to_owned()),
        _ => bail!("{reply:?}"),
    }
}
