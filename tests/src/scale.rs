// SPDX-License-Identifier: GPL-2.0-only

//! How much of a test that could go on forever, and where its dice begin.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;

struct Scale {
    full: bool,
    fifth: bool,
    seed: u64,
}

static SCALE: OnceLock<Scale> = OnceLock::new();

/// Once, before any test runs.
pub(crate) fn set(full: bool, fifth: bool, seed: Option<u64>) {
    let seed = seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        u64::from(now.unwrap_or_default().subsec_nanos())
    });
    let _ = SCALE.set(Scale { full, fifth, seed });
}

fn full() -> bool {
    SCALE.get().is_some_and(|scale| scale.full)
}

/// Whether a fifth of the tests is wanted, on a kernel that checks everything.
fn fifth() -> bool {
    SCALE.get().is_some_and(|scale| scale.fifth)
}

/// How many of a suite's `all` tests are wanted. What a fifth leaves over is rounded by lot.
pub(crate) fn wanted(suite: &str, all: usize) -> usize {
    if !fifth() {
        return all;
    }
    let mut lot = DefaultHasher::new();
    (seed(), suite).hash(&mut lot);
    all / 5 + usize::from((lot.finish() % 5) < (all % 5) as u64)
}

/// How often: `short` in every run, `full` for a proof. A kernel that checks everything takes several
/// times as long, and does half of that.
pub(crate) fn rounds(short: usize, full_rounds: usize) -> usize {
    match (full(), is_slow()) {
        (true, _) => full_rounds,
        (false, true) => short / 2,
        (false, false) => short,
    }
}

/// What a test goes through: all of it, or on a kernel that checks everything as many as `few`, by lot.
pub(crate) fn some<T>(test: &str, few: usize, mut all: Vec<T>) -> Vec<T> {
    if !full() && is_slow() && all.len() > few {
        dice(test).shuffle(&mut all);
        all.truncate(few);
    }
    all
}

fn is_slow() -> bool {
    is_watched() || Path::new("/sys/kernel/debug/kmemleak").exists()
}

/// Whether the kernel looks for data races, of which it sees one in many rounds.
pub(crate) fn is_watched() -> bool {
    Path::new("/sys/kernel/debug/kcsan").exists()
}

/// How long a test of so many rounds may take.
pub(crate) fn limit() -> Duration {
    Duration::from_secs(if full() { 6 * 3600 } else { 300 })
}

/// Where the dice of this run begin.
pub(crate) fn seed() -> u64 {
    SCALE.get().map_or(1, |scale| scale.seed)
}

/// Dice for a test, which says where they begin.
pub(crate) fn dice(test: &str) -> Rng {
    eprintln!("{test}: SEED={}", seed());
    Rng::with_seed(seed())
}
