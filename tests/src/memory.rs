// SPDX-License-Identifier: GPL-2.0-only

//! Questions about memory, of the task itself or of a [`Sharer`](crate::sharer::Sharer).

use std::ffi::c_void;
use std::fs;
use std::ptr;

use anyhow::{Context, Result};
use rustix::mm::{Advice, MapFlags, MprotectFlags, madvise, mprotect};

use crate::device::checked;
use crate::mailbox::Mapping;

pub(crate) const PAGE: usize = 4096;

/// Maps `pages` pages, each of which begins with its number plus `mark`.
pub(crate) fn marked(pages: usize, mark: u64, flags: MapFlags) -> Result<Mapping> {
    let mapping = Mapping::new(pages * PAGE, flags)?;
    mark_all(&mapping, mark);
    Ok(mapping)
}

/// Maps a page with a value at its start that can be read and not written.
pub(crate) fn read_only<T>(value: T) -> Result<Mapping> {
    let mapping = Mapping::new(PAGE, MapFlags::PRIVATE)?;
    // SAFETY: The page has room, and nobody else knows it.
    unsafe {
        mapping.start().cast::<T>().write(value);
        mprotect(mapping.start(), PAGE, MprotectFlags::READ)?;
    }
    Ok(mapping)
}

/// As [`marked`], with advice that is given before the pages are touched.
pub(crate) fn marked_as(pages: usize, mark: u64, advice: Advice) -> rustix::io::Result<Mapping> {
    let mapping = Mapping::new(pages * PAGE, MapFlags::PRIVATE)?;
    // SAFETY: The mapping has no contents yet that the advice could change.
    unsafe { madvise(mapping.start(), mapping.len(), advice)? };
    mark_all(&mapping, mark);
    Ok(mapping)
}

pub(crate) fn mark_all(mapping: &Mapping, mark: u64) {
    for page in 0..mapping.len() / PAGE {
        write(
            mapping.start().wrapping_byte_add(page * PAGE),
            mark + page as u64,
        );
    }
}

/// Counts the pages that do not begin as [`marked`] wrote them.
pub(crate) fn unmarked(mapping: &Mapping, mark: u64) -> usize {
    (0..mapping.len() / PAGE)
        .filter(|&page| read(mapping.start().wrapping_byte_add(page * PAGE)) != mark + page as u64)
        .count()
}

/// Reads a number at a mapped address that another task may be writing.
pub(crate) fn read(address: *const c_void) -> u64 {
    // SAFETY: Callers pass addresses of mappings that they hold.
    unsafe { ptr::read_volatile(address.cast()) }
}

pub(crate) fn write(address: *mut c_void, number: u64) {
    // SAFETY: As above.
    unsafe { ptr::write_volatile(address.cast(), number) }
}

/// A [`Question`](crate::sharer::Question): the number at the address `arg`.
pub(crate) fn peek(arg: &str) -> Result<String> {
    Ok(read(ptr::without_provenance(arg.parse()?)).to_string())
}

/// A [`Question`](crate::sharer::Question): writes to an address, both in `arg`.
pub(crate) fn poke(arg: &str) -> Result<String> {
    let (address, number) = arg.split_once(' ').context("address and number, please")?;
    let address = ptr::without_provenance_mut(address.parse()?);
    write(address, number.parse()?);
    Ok(String::new())
}

/// Names an address for [`peek`] and [`poke`].
pub(crate) fn name(address: *const c_void) -> String {
    address.addr().to_string()
}

/// Whether an address is mapped.
pub(crate) fn is_mapped(address: *mut c_void) -> bool {
    let mut resident = 0_u8;
    // SAFETY: mincore(2) writes a byte for the one page.
    checked(unsafe { libc::mincore(address, 1, &raw mut resident) }).is_ok()
}

/// Returns the value of a line `name: value` in a file, as in /proc/PID/status.
pub(crate) fn field(path: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(value
        .with_context(|| format!("no {name} in {path}"))?
        .trim()
        .to_owned())
}

/// Returns a [`field`] that is in kB, in bytes.
pub(crate) fn bytes(path: &str, name: &str) -> Result<u64> {
    let value = field(path, name)?;
    let number = value.strip_suffix(" kB").context("not in kB")?;
    Ok(number.parse::<u64>()? * 1024)
}

/// As [`field`], for a file with lines `name value`.
pub(crate) fn field_of(path: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value
        .with_context(|| format!("no {name} in {path}"))?
        .to_owned())
}
