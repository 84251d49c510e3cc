// SPDX-License-Identifier: GPL-2.0-only

//! The program's own file, as it is mapped.

use std::fs;
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::device::checked;

/// The ranges of the mapping, which are the same in a child.
static RANGES: OnceLock<Vec<Range<usize>>> = OnceLock::new();

/// Reads them while /proc is mounted.
pub(super) fn find() -> Result<()> {
    let program = std::env::current_exe()?;
    let program = program.to_str().context("not UTF-8")?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let lines = maps.lines().filter(|line| line.ends_with(program));
    let ranges = lines.map(|line| {
        let range = line
            .split(' ')
            .next()
            .and_then(|range| range.split_once('-'));
        let (start, end) = range.context("no range")?;
        let address = |text| usize::from_str_radix(text, 16);
        Ok(address(start)?..address(end)?)
    });
    let _ = RANGES.set(ranges.collect::<Result<_>>()?);
    Ok(())
}

/// Maps all pages. A forked child has no page tables for them and would take page faults.
pub(super) fn populate() -> Result<()> {
    for range in RANGES.get().context("nobody has looked")? {
        let start = ptr::without_provenance_mut(range.start);
        // SAFETY: It only fills page tables of an existing mapping.
        checked(unsafe { libc::madvise(start, range.len(), libc::MADV_POPULATE_READ) })?;
    }
    Ok(())
}
