// SPDX-License-Identifier: GPL-2.0-only

//! How much each test does, and the random numbers that it uses.

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

/// Sets what the command line asks for. Must be called once, before any test runs.
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

/// Whether a kernel that checks everything runs only a fifth of the tests.
fn fifth() -> bool {
    SCALE.get().is_some_and(|scale| scale.fifth)
}

/// Returns how many of a suite's `all` tests run. A fifth is rounded up or down at random.
pub(crate) fn wanted(suite: &str, all: usize) -> usize {
    if !fifth() {
        return all;
    }
    let mut lot = DefaultHasher::new();
    (seed(), suite).hash(&mut lot);
    all / 5 + usize::from((lot.finish() % 5) < (all % 5) as u64)
}

/// Returns how many rounds a test runs: `full_rounds` with `--full`, and otherwise `short`. A kernel that checks
/// everything takes several times as long for one, and so runs half of `short`.
pub(crate) fn rounds(short: usize, full_rounds: usize) -> usize {
    match (full(), is_slow()) {
        (true, _) => full_rounds,
        (false, true) => short / 2,
        (false, false) => short,
    }
}

/// Returns how many rounds a proof runs: `fast` of them, and `slow` on a kernel that checks everything and was not asked
/// for `--full`.
pub(crate) fn proof(fast: usize, slow: usize) -> usize {
    match !full() && is_slow() {
        true => slow,
        false => fast,
    }
}

/// Returns `all`, or, on a kernel that checks everything, at most `few` of them, chosen at random.
pub(crate) fn some<T>(test: &str, few: usize, mut all: Vec<T>) -> Vec<T> {
    if !full() && is_slow() && all.len() > few {
        dice(test).shuffle(&mut all);
        all.truncate(few);
    }
    all
}

/// Whether the kernel checks everything. It also keeps freed memory for a while.
pub(crate) fn is_slow() -> bool {
    is_watched() || Path::new("/sys/kernel/debug/kmemleak").exists()
}

/// Whether the kernel looks for data races. It finds a race only in one of many rounds.
pub(crate) fn is_watched() -> bool {
    Path::new("/sys/kernel/debug/kcsan").exists()
}

/// Returns the time limit of a test with rounds.
pub(crate) fn limit() -> Duration {
    Duration::from_secs(if full() { 6 * 3600 } else { 300 })
}

/// Returns the seed of this run's random numbers.
pub(crate) fn seed() -> u64 {
    SCALE.get().map_or(1, |scale| scale.seed)
}

/// Returns a test's random numbers, and prints their seed.
pub(crate) fn dice(test: &str) -> Rng {
    eprintln!("{test}: SEED={}", seed());
    Rng::with_seed(seed())
}
