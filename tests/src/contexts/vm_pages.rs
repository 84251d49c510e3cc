// SPDX-License-Identifier: GPL-2.0-only

//! What a child gets of its parent's pages.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Error, Result};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MlockAllFlags, mlock, mlockall};

use crate::check::ensure;
use crate::child::skip;
use crate::machine::Setting;
use crate::mailbox::Mapping;
use crate::memory::{
    PAGE, bytes, field, field_of, is_mapped, mark_all, marked, marked_as, read, unmarked, write,
};
use crate::twin::Twin;

pub(super) fn private(twin: Twin) -> Result<String> {
    let pages = marked(300, 5, MapFlags::PRIVATE)?;
    let seen = twin.look(|| Ok(all_there(&pages, 5)))?;
    Ok(seen)
}

fn all_there(pages: &Mapping, mark: u64) -> String {
    match unmarked(pages, mark) {
        0 => "all there".to_owned(),
        lost => format!("{lost} pages lost"),
    }
}

/// Marked pages, with advice that was given before they were touched.
fn advised(pages: usize, advice: Advice) -> Result<Mapping> {
    match marked_as(pages, 5, advice) {
        Err(Errno::INVAL) => skip("this kernel does not take the advice"),
        outcome => Ok(outcome?),
    }
}

pub(super) fn dontfork(twin: Twin) -> Result<String> {
    let page = advised(1, Advice::LinuxDontFork)?;
    twin.look(|| Ok(format!("mapped: {}", is_mapped(page.start()))))
}

pub(super) fn wipeonfork(twin: Twin) -> Result<String> {
    let page = advised(1, Advice::LinuxWipeOnFork)?;
    twin.look(|| Ok(read(page.start()).to_string()))
}

pub(super) fn locked(twin: Twin) -> Result<String> {
    let page = marked(4, 5, MapFlags::PRIVATE)?;
    // SAFETY: Locking does not change the contents.
    unsafe { mlock(page.start(), page.len())? };
    twin.look(|| field("/proc/self/status", "VmLck"))
}

pub(super) fn locked_future(twin: Twin) -> Result<String> {
    mlockall(MlockAllFlags::FUTURE)?;
    twin.look(|| {
        let _page = marked(4, 5, MapFlags::PRIVATE)?;
        field("/proc/self/status", "VmLck")
    })
}

pub(super) fn huge(twin: Twin) -> Result<String> {
    let pages = advised(2048, Advice::LinuxHugepage)?;
    let are_huge = || Ok::<_, Error>(bytes("/proc/self/smaps_rollup", "AnonHugePages")? > 0);
    if !are_huge()? {
        return skip("there are no huge pages to be had");
    }
    twin.look(|| {
        let still = are_huge()?;
        Ok(format!("{}, huge: {still}", all_there(&pages, 5)))
    })
}

pub(super) fn merged(twin: Twin) -> Result<String> {
    let run = Setting::new("/sys/kernel/mm/ksm/run", "1")?;
    let _zero = Setting::new("/sys/kernel/mm/ksm/use_zero_pages", "1")?;
    let _many = Setting::new("/sys/kernel/mm/ksm/pages_to_scan", "5000")?;
    let pages = advised(64, Advice::LinuxMergeable)?;
    let zeroes = advised(64, Advice::LinuxMergeable)?;
    (0..64).for_each(|page| {
        write(pages.start().wrapping_byte_add(page * PAGE), 5);
        write(zeroes.start().wrapping_byte_add(page * PAGE), 0);
    });
    let stat = || field_of("/proc/self/ksm_stat", "ksm_zero_pages");
    let are_merged = || {
        let sharing = fs::read_to_string("/sys/kernel/mm/ksm/pages_sharing")?;
        Ok::<_, Error>(stat()? != "0" && sharing != "0\n")
    };
    for _ in 0..1000 {
        if are_merged()? {
            break;
        }
        sleep(Duration::from_millis(20));
    }
    fs::write("/sys/kernel/mm/ksm/run", "0")?;
    ensure!(are_merged()?, "not all kinds of pages were merged");
    let seen = twin.look(|| {
        let whole = (0..64).all(|page| {
            read(pages.start().wrapping_byte_add(page * PAGE)) == 5
                && read(zeroes.start().wrapping_byte_add(page * PAGE)) == 0
        });
        let before = stat()?;
        mark_all(&pages, 1);
        mark_all(&zeroes, 1);
        ensure!(
            stat()? == "0",
            "counted before: {before}, and {} in the end",
            stat()?
        );
        ensure!(before != "0", "the copy counts no zero pages");
        Ok(if whole { "all there" } else { "lost" }.to_owned())
    });
    drop(run);
    seen
}
