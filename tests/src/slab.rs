// SPDX-License-Identifier: GPL-2.0-only

//! The number of objects that each cache of the kernel has allocated.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::check::bail;

/// Runs something many times, and fails if a cache has `leak` or more objects more.
pub(crate) fn leaves_nothing(
    times: usize,
    leak: usize,
    mut request: impl FnMut() -> Result<()>,
) -> Result<()> {
    // Allocations that only the first rounds make do not count.
    (0..5).try_for_each(|_| request())?;
    let mut round = || {
        let before = Slabs::count()?;
        (0..times).try_for_each(|_| request())?;
        before.ensure_flat(leak)
    };
    // Objects in a processor's own stock count as in use, and may grow by some dozens, but not
    // every time.
    round().or_else(|_| round()).or_else(|_| round())
}

/// How long the number of objects must not fall before the test stops waiting.
const PATIENCE: Duration = Duration::from_secs(3);

/// Objects in use, by cache.
pub(crate) struct Slabs(BTreeMap<String, usize>);

impl Slabs {
    /// Counts the objects in use, after freed ones were returned.
    pub(crate) fn count() -> Result<Self> {
        for entry in fs::read_dir("/sys/kernel/slab")? {
            let entry = entry?;
            // An alias is a link to its cache.
            if entry.file_type()?.is_dir() {
                shrink(&entry.path())?;
            }
        }
        Self::read()
    }

    /// Counts the objects that the kernel regards as in use, including freed ones that were not
    /// returned yet.
    fn read() -> Result<Self> {
        let table = fs::read_to_string("/proc/slabinfo").context("/proc/slabinfo")?;
        let mut counts = BTreeMap::new();
        for line in table.lines().skip(2) {
            let mut words = line.split_whitespace();
            let (name, active) = (words.next(), words.next());
            let name = name.context("no cache")?.to_owned();
            // The first is freed in batches of a hundred; the second is the stock of debugobjects,
            // which grows in batches.
            if !["vmap_area", "debug_objects_cache"].contains(&&*name) {
                counts.insert(name, active.context("no count")?.parse()?);
            }
        }
        Ok(Self(counts))
    }

    /// Returns the caches that have at least `leak` objects more than before.
    fn grown(&self, leak: usize) -> Result<BTreeMap<String, usize>> {
        let mut counts = Self::read()?.0;
        counts.retain(|name, count| *count >= self.0.get(name).unwrap_or(&0) + leak);
        Ok(counts)
    }

    /// Fails if a cache has `leak` objects more than before. Waits as long as objects are still
    /// being freed.
    pub(crate) fn ensure_flat(&self, leak: usize) -> Result<()> {
        let mut grown = self.grown(leak)?;
        let mut fell = Instant::now();
        while !grown.is_empty() {
            let most = grown.values().sum::<usize>();
            // Shrinks only caches that have grown, because it takes long.
            for name in grown.keys() {
                shrink(&Path::new("/sys/kernel/slab").join(name))?;
            }
            grown = self.grown(leak)?;
            if grown.values().sum::<usize>() < most {
                fell = Instant::now();
            } else if fell.elapsed() > PATIENCE {
                break;
            }
            sleep(Duration::from_millis(250));
        }
        if grown.is_empty() {
            return Ok(());
        }
        let before = grown.keys().map(|name| (name, self.0.get(name)));
        bail!("{grown:?} after {:?}", before.collect::<BTreeMap<_, _>>());
    }
}

/// Makes a cache return its freed objects, which it keeps for a while, and KASAN for longer.
fn shrink(cache: &Path) -> Result<()> {
    fs::write(cache.join("shrink"), "1").with_context(|| cache.display().to_string())
}
