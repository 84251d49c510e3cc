// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: which requests replace the address space, and which do not.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use anyhow::Result;
use rustix::io::Errno;
use rustix::mm::MapFlags;
use rustix::process::getpid;
use unshare_device::Contexts;

use super::vm::{SIGHAND, VM, leave, unshare_vm, world};
use crate::check::ensure;
use crate::child::Child;
use crate::device::{Args, DRY_RUN, LOCAL, unshare};
use crate::harness::Suite;
use crate::machine::Setting;
use crate::mailbox::{Mailbox, Mapping};
use crate::memory::{PAGE, bytes, marked, name, peek, read, write};
use crate::scale::rounds;
use crate::sharer::Sharer;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_request")
        .test("a second request replaces nothing", twice)
        .test("CLONE_THREAD implies CLONE_VM", thread_implies)
        .test("CLONE_VM implies CLONE_SIGHAND", implies_sighand)
        .test("UNSHARE_IOC_LOCAL accepts CLONE_VM", local)
        .test("a dry run frees what it copied", dry_run)
        .test(
            "without memory for the copy: ENOMEM, CLONE_VM, and nothing changes",
            overcommit,
        )
        .test(
            "readers of /proc/PID/maps do not count as sharers",
            readers_alone,
        )
        .test(
            "readers of /proc/PID/maps do not make the request fail",
            readers,
        )
        .test(
            "an open /proc/PID/maps keeps showing the old address space",
            open_maps,
        )
        .test("both of two sharers get a copy", three)
}

fn twice() -> Result<()> {
    let world = world()?;
    leave(&world)?;
    world.replaces(unshare(VM), Contexts::empty(), &[])
}

fn thread_implies() -> Result<()> {
    world()?.replaces(unshare(Contexts::THREAD), VM, &["kcmp/vm"])
}

fn implies_sighand() -> Result<()> {
    let world = World::sharing(VM | SIGHAND)?;
    world.replaces(unshare(VM), VM | SIGHAND, &["kcmp/sighand", "kcmp/vm"])
}

fn local() -> Result<()> {
    let world = world()?;
    let reply = world.device.request(LOCAL, unshare(VM));
    world.ensure_replaced(reply, VM)
}

fn dry_run() -> Result<()> {
    let page = marked(1, 1, MapFlags::PRIVATE)?;
    let world = world()?;
    let dry = Args {
        options: DRY_RUN,
        ..unshare(VM)
    };
    for _ in 0..20 {
        let (reply, changed) = world.commit(dry)?;
        ensure!(reply.errno.is_none() && reply.replaced == VM, "{reply:?}");
        ensure!(changed.is_empty(), "{changed:?}");
    }
    write(page.start(), 8);
    ensure!(world.sharer.ask(peek, &name(page.start()))? == "8");
    Ok(())
}

fn overcommit() -> Result<()> {
    let pages = most_of_memory()?;
    let world = world()?;
    let strict = Setting::sysctl("vm/overcommit_memory", "2")?;
    let outcome = world.refuses(unshare(VM | Contexts::UTS), Errno::NOMEM, VM);
    drop(strict);
    outcome?;
    // Under the default rule there is enough memory for the mapping.
    write(pages.start(), 1);
    leave(&world)
}

/// A mapping so large that vm.overcommit_memory = 2 allows no second one.
pub(crate) fn most_of_memory() -> Result<Mapping> {
    let limit: usize = bytes("/proc/meminfo", "CommitLimit")?.try_into()?;
    Ok(Mapping::new(
        limit / 8 * 5 / PAGE * PAGE,
        MapFlags::PRIVATE,
    )?)
}

/// Reads the caller's /proc/PID/maps and similar files without a pause.
pub(crate) fn reader() -> Result<Child> {
    const HAS_READ: u32 = 1;
    let folder = format!("/proc/{}", getpid().as_raw_nonzero());
    let mailbox = Mailbox::new()?;
    let page = mailbox.page();
    let child = Child::spawn(|| {
        let mut bytes = [0; 8192];
        loop {
            let lens = ["maps", "smaps_rollup", "auxv", "environ", "pagemap"]
                .map(|name| File::open(format!("{folder}/{name}"))?.read(&mut bytes));
            // Reading an address space that ends meanwhile returns nothing, or an error.
            if lens
                .iter()
                .all(|len| len.as_ref().is_ok_and(|len| *len > 0))
            {
                page.post(HAS_READ, "");
            }
        }
    })?;
    let reads = page.wait(&[HAS_READ], Duration::from_secs(20)).is_some();
    ensure!(reads, "the reader does not get to read");
    Ok(child)
}

pub(crate) fn readers_alone() -> Result<()> {
    let world = World::alone()?;
    let _readers = [reader()?, reader()?];
    for _ in 0..200 {
        let reply = world.device.commit(unshare(VM));
        world.ensure_replaced(reply, Contexts::empty())?;
    }
    Ok(())
}

fn readers() -> Result<()> {
    for _ in 0..rounds(10, 200) {
        let _reader = reader()?;
        leave(&world()?)?;
    }
    Ok(())
}

fn open_maps() -> Result<()> {
    let page = marked(1, 1, MapFlags::PRIVATE)?;
    let world = world()?;
    let memory = File::options()
        .read(true)
        .write(true)
        .open("/proc/self/mem")?;
    leave(&world)?;
    let offset = page.start().addr() as u64;
    memory.write_at(&9_u64.to_ne_bytes(), offset)?;
    ensure!(read(page.start()) == 1);
    ensure!(world.sharer.ask(peek, &name(page.start()))? == "9");
    Ok(())
}

fn three() -> Result<()> {
    let page = marked(1, 1, MapFlags::PRIVATE)?;
    let world = world()?;
    let other = Sharer::new(VM)?;
    let at = name(page.start());
    ensure!(other.ask(unshare_vm, "")? == VM.to_string());
    write(page.start(), 2);
    ensure!(other.ask(peek, &at)? == "1" && world.sharer.ask(peek, &at)? == "2");
    leave(&world)?;
    write(page.start(), 3);
    ensure!(other.ask(peek, &at)? == "1" && world.sharer.ask(peek, &at)? == "2");
    // The last task shares its memory with no other.
    ensure!(world.sharer.ask(unshare_vm, "")? == Contexts::empty().to_string());
    Ok(())
}
