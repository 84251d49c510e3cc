// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`, while a sharer dumps core.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::mm::MapFlags;
use rustix::process::{Signal, kill_process};

use super::vm::VM;
use crate::check::ensure;
use crate::device::unshare;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::mailbox::Mapping;
use crate::memory::{PAGE, marked, write};
use crate::scale::{dice, limit, rounds};
use crate::sharer::Sharer;
use crate::world::World;

const SOON: Duration = Duration::from_secs(20);

pub(crate) fn suite() -> Suite {
    Suite::new("vm_core")
        .test(
            "the caller does not wait for a sharer's core dump, which is whole",
            during_dump,
        )
        .slow(
            "a request before, during or after a sharer's core dump leaves it whole",
            limit(),
            around_dump,
        )
}

const MARK: u64 = 0x5ca1_ab1e_0000_0000;
const PAGES: usize = 2048;

/// Leaves, and writes what is not to be in the core.
fn leave(world: &World, memory: &Mapping) -> Result<()> {
    let reply = world.device.commit(unshare(VM));
    world.ensure_replaced(reply, VM)?;
    write(memory.start(), 0);
    Ok(())
}

/// The sharer dies of the signal, and its core has the memory as it was.
fn ensure_dumped(sharer: Sharer, collector: &Collector) -> Result<()> {
    let end = sharer.end(SOON)?;
    ensure!(
        end.terminating_signal() == Some(Signal::QUIT.as_raw()),
        "{end:?}"
    );
    let core = collector.core()?;
    let numbers = core
        .chunks_exact(PAGE)
        .filter_map(|page| page.first_chunk::<8>());
    let found = numbers
        .filter(|first| (MARK..MARK + PAGES as u64).contains(&u64::from_le_bytes(**first)))
        .count();
    ensure!(found == PAGES, "{found} pages of {PAGES} are in the core");
    Ok(())
}

fn during_dump() -> Result<()> {
    let collector = Collector::waiting()?;
    let memory = marked(PAGES, MARK, MapFlags::PRIVATE)?;
    let world = World::sharing(VM)?;
    kill_process(world.sharer.pid, Signal::QUIT)?;
    collector.wait_begun()?;
    leave(&world, &memory)?;
    collector.go_on()?;
    ensure_dumped(world.sharer, &collector)
}

pub(crate) fn around_dump() -> Result<()> {
    let memory = marked(PAGES, MARK, MapFlags::PRIVATE)?;
    let mut dice = dice("around a core dump");
    for _ in 0..rounds(2, 200) {
        let collector = Collector::ready()?;
        let world = World::sharing(VM)?;
        // Another task that shares the memory, and stays.
        let other = Sharer::new(VM)?;
        kill_process(world.sharer.pid, Signal::QUIT)?;
        sleep(Duration::from_micros(dice.u64(..20_000)));
        leave(&world, &memory)?;
        ensure_dumped(world.sharer, &collector)?;
        drop(other);
        write(memory.start(), MARK);
    }
    Ok(())
}

const FOLDER: &str = "/tmp/vm-core";

/// A program that keeps the core files of this machine, until dropped.
struct Collector {
    _pattern: Setting,
}

impl Collector {
    /// It does not read before it may [go on](Self::go_on): of a dump, a pipe's worth gets through.
    fn waiting() -> Result<Self> {
        // One that was killed leaves its own.
        let _ = fs::remove_dir_all(FOLDER);
        fs::create_dir(FOLDER).context(FOLDER)?;
        let script = format!(
            "#!/bin/sh\n\
             cd {FOLDER}\n\
             : >begun\n\
             until [ -e go-on ] || [ ! -e begun ]; do usleep 10000; done\n\
             cat >core\n"
        );
        let path = format!("{FOLDER}/collect");
        fs::write(&path, script)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        let pattern = Setting::sysctl("kernel/core_pattern", &format!("|{path}"))?;
        Ok(Self { _pattern: pattern })
    }

    fn ready() -> Result<Self> {
        let collector = Self::waiting()?;
        collector.go_on()?;
        Ok(collector)
    }

    fn go_on(&self) -> Result<()> {
        Ok(fs::write(format!("{FOLDER}/go-on"), "")?)
    }

    fn wait_begun(&self) -> Result<()> {
        wait_for("the dump", || {
            fs::exists(format!("{FOLDER}/begun")).ok()?.then_some(())
        })
    }

    /// The core file, when it is complete.
    fn core(&self) -> Result<Vec<u8>> {
        wait_for("the end of the core", || {
            let core = fs::read(format!("{FOLDER}/core")).ok()?;
            (core.len() as u64 >= end_of_core(&core).ok()?).then_some(core)
        })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(FOLDER);
    }
}

/// Waits for something that happens elsewhere.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        ensure!(start.elapsed() < SOON, "{what} does not come");
        sleep(Duration::from_millis(10));
    }
}

/// The last byte that the segments of a core file say that it has.
fn end_of_core(core: &[u8]) -> Result<u64> {
    let number = |at: usize, len: usize| -> Result<u64> {
        let mut bytes = [0; 8];
        let part = core.get(at..at + len).context("the core is cut off")?;
        bytes[..len].copy_from_slice(part);
        Ok(u64::from_le_bytes(bytes))
    };
    ensure!(core.starts_with(b"\x7fELF"), "no core");
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    (0..count)
        .map(|n| {
            let header = usize::try_from(table + n * size)?;
            Ok(number(header + 8, 8)? + number(header + 32, 8)?)
        })
        .try_fold(0, |end, this: Result<u64>| Ok(end.max(this?)))
}
