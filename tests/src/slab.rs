// SPDX-License-Identifier: GPL-2.0-only

//! How many objects of each kind the kernel has allocated.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::check::bail;

/// Does the same thing many times: no kind of object grows by `leak` or more.
pub(crate) fn leaves_nothing(
    times: usize,
    leak: usize,
    mut request: impl FnMut() -> Result<()>,
) -> Result<()> {
    // What only the first times allocate is not counted.
    (0..5).try_for_each(|_| request())?;
    let mut round = || {
        let before = Slabs::count()?;
        (0..times).try_for_each(|_| request())?;
        before.ensure_flat(leak)
    };
    // What each CPU keeps in stock counts as in use, and grows by some dozens; but not every time.
    round().or_else(|_| round()).or_else(|_| round())
}

/// How long nothing may be given back before nothing is expected any more.
const PATIENCE: Duration = Duration::from_secs(3);

/// Objects in use, by cache.
pub(crate) struct Slabs(BTreeMap<String, usize>);

impl Slabs {
    /// What is in use, and no more than that.
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

    /// What the kernel takes to be in use, with all that was freed and not yet given back.
    fn read() -> Result<Self> {
        let table = fs::read_to_string("/proc/slabinfo").context("/proc/slabinfo")?;
        let mut counts = BTreeMap::new();
        for line in table.lines().skip(2) {
            let mut words = line.split_whitespace();
            let (name, active) = (words.next(), words.next());
            let name = name.context("no cache")?.to_owned();
            // One is given back by the hundred, when enough have come together; the other is the
            // stock of debugobjects, which grows by batches.
            if !["vmap_area", "debug_objects_cache"].contains(&&*name) {
                counts.insert(name, active.context("no count")?.parse()?);
            }
        }
        Ok(Self(counts))
    }

    /// The caches that have `leak` objects more than before, or even more.
    fn grown(&self, leak: usize) -> Result<BTreeMap<String, usize>> {
        let mut counts = Self::read()?.0;
        counts.retain(|name, count| *count >= self.0.get(name).unwrap_or(&0) + leak);
        Ok(counts)
    }

    /// No cache has `leak` objects more than before. What is freed later is waited for, as long as it is.
    pub(crate) fn ensure_flat(&self, leak: usize) -> Result<()> {
        let mut grown = self.grown(leak)?;
        let mut fell = Instant::now();
        while !grown.is_empty() {
            let most = grown.values().sum::<usize>();
            // Only where it may make a difference: it takes long.
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

/// Has a cache give back what was freed: that is kept for a while, and by KASAN for longer.
fn shrink(cache: &Path) -> Result<()> {
    fs::write(cache.join("shrink"), "1").with_context(|| cache.display().to_string())
}
