// SPDX-License-Identifier: GPL-2.0-only

//! Makes one of a thread's allocations, or of its copies from and to user space, fail.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result};

use crate::machine::Setting;

/// Of this thread's chances to fail, which one does: `Documentation/fault-injection/fault-injection.rst`.
pub(crate) const FAIL_NTH: &str = "/proc/thread-self/fail-nth";

/// Allocations of those who watch the others. They do without.
const WATCHERS: [&str; 2] = ["kmemleak_object", "debug_objects_cache"];

/// The failures of the thread that opened it.
pub(crate) struct Injection(File);

impl Injection {
    /// What can fail, for as long as these last: all that a request takes.
    pub(crate) fn settings() -> Result<Vec<Setting>> {
        let settings = [
            ("failslab/cache-filter", "Y"),
            // Also those that could wait for memory: all of ours can.
            ("failslab/ignore-gfp-wait", "N"),
            ("fail_page_alloc/ignore-gfp-wait", "N"),
            ("fail_page_alloc/min-order", "0"),
            ("failslab/verbose", "0"),
            ("fail_page_alloc/verbose", "0"),
            ("fail_usercopy/verbose", "0"),
        ];
        let set = |(name, value)| Setting::new(format!("/sys/kernel/debug/{name}"), value);
        let settings = settings.into_iter().map(set).collect::<Result<_>>()?;
        mark_caches()?;
        Ok(settings)
    }

    pub(crate) fn of_this_thread() -> Result<Self> {
        let file = File::options().read(true).write(true).open(FAIL_NTH);
        Ok(Self(file.context(FAIL_NTH)?))
    }

    /// Has the chance of that number, counted from now and 1, fail.
    pub(crate) fn arm(&self, nth: usize) -> Result<()> {
        Ok(self.0.write_all_at(nth.to_string().as_bytes(), 0)?)
    }

    /// Has nothing fail any more. Returns what the kernel says was left: 0 where it has failed, the
    /// number of chances to come, or `pending`.
    pub(crate) fn disarm(&self) -> Result<String> {
        let mut left = [0; 16];
        // Where the failure is still to come, it may be this read's, or that of the write, and then
        // it is used up.
        let read = self.0.read_at(&mut left, 0);
        let stop = || self.0.write_at(b"0", 0);
        stop().or_else(|_| stop()).context("writing to fail-nth")?;
        Ok(read.map_or("pending".to_owned(), |len| {
            String::from_utf8_lossy(&left[..len]).trim().to_owned()
        }))
    }
}

/// Has the allocations of all caches fail when it is their turn, but not those of the [`WATCHERS`]. It
/// means nothing where `failslab/cache-filter` is not set, and so it stays.
fn mark_caches() -> Result<()> {
    for entry in fs::read_dir("/sys/kernel/slab")? {
        let entry = entry?;
        let watches = WATCHERS.iter().any(|name| *entry.file_name() == **name);
        fs::write(
            entry.path().join("failslab"),
            ["1", "0"][usize::from(watches)],
        )?;
    }
    Ok(())
}
