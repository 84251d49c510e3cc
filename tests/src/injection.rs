// SPDX-License-Identifier: GPL-2.0-only

//! Makes one of a thread's allocations, or of its copies from and to user space, fail.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result};

use crate::machine::Setting;

/// The file that selects which allocation of this thread fails:
/// `Documentation/fault-injection/fault-injection.rst`.
pub(crate) const FAIL_NTH: &str = "/proc/thread-self/fail-nth";

/// Caches of debugging tools. These tools cope with failures.
const WATCHERS: [&str; 2] = ["kmemleak_object", "debug_objects_cache"];

/// The injected failures of the thread that opened it.
pub(crate) struct Injection(File);

impl Injection {
    /// Lets everything fail that a request uses, as long as these settings last.
    pub(crate) fn settings() -> Result<Vec<Setting>> {
        let settings = [
            ("failslab/cache-filter", "Y"),
            // Also allocations that may wait for memory, as all of this module may.
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

    /// Lets the allocation or copy number `nth` from now fail; the first is 1.
    pub(crate) fn arm(&self, nth: usize) -> Result<()> {
        Ok(self.0.write_all_at(nth.to_string().as_bytes(), 0)?)
    }

    /// Stops injecting. Returns what the kernel has left: 0 after the failure, the number of
    /// allocations before it, or `pending`.
    pub(crate) fn disarm(&self) -> Result<String> {
        let mut left = [0; 16];
        // If the failure has not happened yet, this read or the write may use it up.
        let read = self.0.read_at(&mut left, 0);
        let stop = || self.0.write_at(b"0", 0);
        stop().or_else(|_| stop()).context("writing to fail-nth")?;
        Ok(read.map_or("pending".to_owned(), |len| {
            String::from_utf8_lossy(&left[..len]).trim().to_owned()
        }))
    }
}

/// Lets allocations of all caches fail, except for those of the [`WATCHERS`]. Without
/// `failslab/cache-filter` this has no effect, so it is not undone.
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
