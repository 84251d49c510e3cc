// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`, while a sharer dumps core.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::mm::MapFlags;
use rustix::process::{Signal, WaitOptions, kill_process, waitpid};

use super::vm::VM;
use crate::device::unshare;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::memory::{PAGE, marked, write};
use crate::scale::{limit, rounds};
use crate::sharer::Sharer;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_core").slow("the core is whole, and nobody waits for it", limit(), dumps)
}

const CORE: &str = "/tmp/core-of-a-sharer";

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

fn dumps() -> Result<()> {
    const MARK: u64 = 0x5ca1_ab1e_0000_0000;
    let _pattern = Setting::sysctl(
        "kernel/core_pattern",
        &format!("|/bin/busybox dd of={CORE} bs=4k"),
    )?;
    let memory = marked(2048, MARK, MapFlags::PRIVATE)?;
    let world = World::alone()?;
    for round in 0..rounds(2, 100) {
        let _ = fs::remove_file(CORE);
        let sharer = Sharer::new(VM)?;
        let other = Sharer::new(VM)?;
        kill_process(sharer.pid, Signal::QUIT)?;
        if round % 2 == 1 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let start = Instant::now();
        let reply = world.device.commit(unshare(VM));
        world.ensure_replaced(reply, VM)?;
        ensure!(
            start.elapsed() < Duration::from_secs(10),
            "it waited for the dump"
        );
        write(memory.start(), 0);
        let status = waitpid(Some(sharer.pid), WaitOptions::empty())?;
        let status = status.context("no status")?.1;
        ensure!(
            status.terminating_signal() == Some(Signal::QUIT.as_raw()),
            "{status:?}"
        );
        std::mem::forget(sharer);
        drop(other);
        ensure_complete(MARK)?;
        write(memory.start(), MARK);
    }
    Ok(fs::remove_file(CORE)?)
}

/// The core is whole, once its writer is done, and has the memory as it was.
fn ensure_complete(mark: u64) -> Result<()> {
    let start = Instant::now();
    let core = loop {
        let core = fs::read(CORE).unwrap_or_default();
        if core.len() as u64 >= end_of_core(&core).unwrap_or(u64::MAX) {
            break core;
        }
        ensure!(
            start.elapsed() < Duration::from_secs(20),
            "{} bytes of core",
            core.len()
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    let numbers = core.chunks_exact(PAGE).map(|page| page.first_chunk::<8>());
    let found = numbers
        .flatten()
        .filter(|first| (mark..mark + 2048).contains(&u64::from_le_bytes(**first)))
        .count();
    ensure!(found == 2048, "{found} pages of 2048 are in the core");
    Ok(())
}
