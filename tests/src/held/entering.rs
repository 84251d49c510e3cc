// SPDX-License-Identifier: GPL-2.0-only

//! ENTER gives a thread what was named and nothing else, and LEAVE gives back all that it had.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::sync::Barrier;
use std::thread;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::getpid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use unshare_device::Contexts;

use super::{ALL, Eye, Held, KINDS, points, set_umask, umask, wait_until};
use crate::attach::target::Target;
use crate::backend::syscall;
use crate::cgroup::Cgroup;
use crate::check::ensure;
use crate::child::in_child;
use crate::device::Device;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::oracle::{Kcmp, same};
use crate::sharer::Sharer;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("held_entering");
    ALL.each()
        .chain([Contexts::EMPTY_MNTNS, KINDS, ALL])
        .fold(suite, |suite, contexts| {
            suite.test(format!("{contexts}: there and back"), move || {
                there_and_back(contexts)
            })
        })
        .test("what was attached is the target's", attached)
        .test(
            "the thread keeps its namespaces of the kinds that were not named",
            others_stay,
        )
        .test("nested: each context keeps what the outer one has", nested)
        .test("the same context twice", twice)
        .test("the umask stays the thread's own", own_umask)
        .test(
            "the memory of entries is charged to the thread's cgroup",
            charged,
        )
        .test("a thread with namespaces of its own keeps them", own_base)
        .test("only what was named is kept alive", only_named)
        .test(
            "a PID namespace that is not below the caller's: EINVAL",
            not_below,
        )
        .test(
            "in a held PID namespace no thread can be made, and children are in there",
            pid,
        )
}

fn there_and_back(contexts: Contexts) -> Result<()> {
    let sharer = Sharer::new(Contexts::FS)?;
    let own = getpid().as_raw_nonzero().get();
    let shares_fs = || same(own, sharer.pid.as_raw_nonzero().get(), Kcmp::Fs);
    let held = Held::new(contexts)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    let mut named = contexts;
    if contexts.contains(Contexts::EMPTY_MNTNS) {
        named = Contexts::MOUNT;
    }
    let moves = named.intersects(Contexts::MOUNT | Contexts::FS);
    for _ in 0..3 {
        ensure!(held.threads()? == 0);
        held.enter()?;
        let inside = eye.view()?;
        let shared = shares_fs();
        held.leave()?;
        let changed = before.changed(&inside);
        ensure!(changed == points(named), "changed are {changed:?}");
        ensure!(shared? != moves, "shares its directories: {}", !moves);
        before.ensure_same(&eye.view()?)?;
        ensure!(shares_fs()?, "the sharer has other directories");
    }
    Ok(())
}

fn attached() -> Result<()> {
    let target = Target::new(KINDS)?;
    let theirs = target.ask(links, "")?;
    let held = Held::of(&Device::open()?, target.attach(KINDS))?;
    drop(target);
    let ours = held.inside(|| links(""))?;
    ensure!(ours == theirs, "{ours} instead of {theirs}");
    Ok(())
}

/// A question: the namespaces of the task.
fn links(_: &str) -> Result<String> {
    let mut all = String::new();
    for name in ["mnt", "uts", "ipc", "net", "cgroup"] {
        let link = fs::read_link(format!("/proc/thread-self/ns/{name}"))?;
        all += &link.to_string_lossy();
    }
    Ok(all)
}

fn others_stay() -> Result<()> {
    for kind in KINDS.each() {
        for own in KINDS.difference(kind).each() {
            let pair = || {
                let held = Held::new(kind)?;
                syscall(own)?;
                let eye = Eye::new()?;
                let before = eye.view()?;
                let inside = held.inside(|| eye.view())?;
                let changed = before.changed(&inside);
                ensure!(changed == points(kind), "{kind}, own {own}: {changed:?}");
                before.ensure_same(&eye.view()?)?;
                Ok(String::new())
            };
            in_child(pair)?;
        }
    }
    Ok(())
}

fn nested() -> Result<()> {
    for outer in KINDS.each() {
        for inner in KINDS.difference(outer).each() {
            let [a, b] = [Held::new(outer)?, Held::new(inner)?];
            let eye = Eye::new()?;
            let before = eye.view()?;
            let (in_a, in_b, back_in_a) = a.inside(|| {
                let in_a = eye.view()?;
                let in_b = b.inside(|| eye.view())?;
                Ok((in_a, in_b, eye.view()?))
            })?;
            let changed = in_a.changed(&in_b);
            ensure!(changed == points(inner), "{inner} in {outer}: {changed:?}");
            in_a.ensure_same(&back_in_a)?;
            before.ensure_same(&eye.view()?)?;
        }
    }
    Ok(())
}

fn twice() -> Result<()> {
    let held = Held::new(ALL)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.enter()?;
    let once = eye.view()?;
    held.enter()?;
    once.ensure_same(&eye.view()?)?;
    held.leave()?;
    once.ensure_same(&eye.view()?)?;
    held.leave()?;
    before.ensure_same(&eye.view()?)?;
    ensure!(held.leave() == Err(Errno::INVAL));
    Ok(())
}

fn own_umask() -> Result<()> {
    set_umask(0o022);
    let held = Held::new(Contexts::FS)?;
    set_umask(0o077);
    held.inside(|| {
        ensure!(umask() == 0o077, "{:o}", umask());
        set_umask(0);
        Ok(())
    })?;
    ensure!(umask() == 0o077, "{:o}", umask());
    // Also for a process that has to be checked.
    in_child(|| {
        set_umask(0o007);
        held.inside(|| {
            ensure!(umask() == 0o007, "{:o}", umask());
            Ok(String::new())
        })
    })
    .map(drop)
}

fn charged() -> Result<()> {
    // The kernel adds up what 256 KB of memory or less make, at the latest after two seconds.
    const THREADS: usize = 256;
    const DEPTH: usize = 32;
    let cgroup = Cgroup::new("held-charged", "memory")?;
    cgroup.add(getpid().as_raw_nonzero().get())?;
    // To enter it takes an entry and nothing else.
    let held = Held::new(Contexts::UTS)?;
    let step = Barrier::new(THREADS + 1);
    let charge = || cgroup.number("memory.stat", "slab_unreclaimable");
    let stay = || {
        step.wait();
        step.wait();
        let entered = (0..DEPTH).try_for_each(|_| held.enter());
        step.wait();
        step.wait();
        entered?;
        (0..DEPTH).try_for_each(|_| held.leave())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(stay)).collect();
        step.wait();
        let before = charge();
        step.wait();
        step.wait();
        let entries = u64::try_from(THREADS * DEPTH)?;
        let added = before.and_then(|before| wait_until(|| Ok(charge()? >= before + entries * 64)));
        step.wait();
        for thread in threads {
            thread.join().expect("a thread panicked")?;
        }
        added.with_context(|| format!("{:?} bytes with {entries} entries", charge()))
    })
}

fn own_base() -> Result<()> {
    let held = Held::new(Contexts::NET)?;
    let stay = || {
        // As a thread of a daemon that has its own mounts.
        syscall(Contexts::MOUNT | Contexts::UTS | Contexts::IPC)?;
        let eye = Eye::new()?;
        let before = eye.view()?;
        let inside = held.inside(|| eye.view())?;
        ensure!(before.changed(&inside) == points(Contexts::NET));
        before.ensure_same(&eye.view()?)
    };
    thread::scope(|scope| scope.spawn(stay).join().expect("the thread panicked"))
}

/// Namespaces that are kept alive still count for their user.
fn only_named() -> Result<()> {
    let own = File::open("/proc/self/ns/uts")?;
    let mut kept = Vec::new();
    let _limit = Setting::sysctl("user/max_uts_namespaces", "16")?;
    for _ in 0..40 {
        syscall(Contexts::UTS)?;
        kept.push(Held::new(Contexts::NET)?);
        move_into_link_name_space(
            own.as_fd(),
            Some(LinkNameSpaceType::HostNameAndNISDomainName),
        )?;
    }
    kept[0].inside(|| Ok(()))
}

fn not_below() -> Result<()> {
    let held = Held::new(Contexts::PID)?;
    let eye = Eye::new()?;
    syscall(Contexts::PID)?;
    in_child(|| {
        let before = eye.view().is_ok();
        ensure!(held.enter() == Err(Errno::INVAL));
        ensure!(held.leave() == Err(Errno::INVAL));
        ensure!(before == eye.view().is_ok());
        Ok(String::new())
    })
    .map(drop)
}

fn pid() -> Result<()> {
    let held = Held::new(Contexts::PID)?;
    held.inside(|| {
        let thread = thread::Builder::new().spawn(|| ());
        let errno = thread.err().and_then(|error| error.raw_os_error());
        ensure!(errno == Some(libc::EINVAL), "{errno:?}");
        let number = in_child(|| Ok(std::process::id().to_string()))?;
        ensure!(number == "1", "the first process in there is {number}");
        Ok(())
    })
}
