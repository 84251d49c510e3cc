// SPDX-License-Identifier: GPL-2.0-only

//! Counts what all tests and their children try.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::Result;
use rustix::mm::MapFlags;

use crate::check::ensure;
use crate::mailbox::Mapping;

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Tried {
    /// An ioctl.
    Request,
    /// An allocation, or a copy from or to user space, that was made to fail.
    Fault,
    /// A round in which tasks interfere with each other.
    Race,
    /// An input of the fuzzer.
    Input,
}

const NAMES: [&str; 4] = ["requests", "faults", "races", "inputs"];

/// The counts, shared with all processes that are made later.
struct Tally(Mapping);

static TALLY: OnceLock<Tally> = OnceLock::new();

/// Must be called once, before any test.
pub(crate) fn begin() -> Result<()> {
    let mapping = Mapping::new(size_of::<[AtomicU64; NAMES.len()]>(), MapFlags::SHARED)?;
    ensure!(TALLY.set(Tally(mapping)).is_ok(), "one is enough");
    Ok(())
}

pub(crate) fn tried(what: Tried) {
    if let Some(tally) = TALLY.get() {
        tally.counts()[what as usize].fetch_add(1, Relaxed);
    }
}

/// Returns all counts so far, by name.
pub(crate) fn report() -> String {
    TALLY.get().map(Tally::to_string).unwrap_or_default()
}

impl Tally {
    fn counts(&self) -> &[AtomicU64; NAMES.len()] {
        // SAFETY: The mapping is large enough, zeroes are valid, and all access is atomic.
        unsafe { &*self.0.start().cast() }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in NAMES.iter().zip(self.counts()) {
            write!(f, " {name}:{}", count.load(Relaxed))?;
        }
        Ok(())
    }
}
