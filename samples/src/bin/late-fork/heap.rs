// SPDX-License-Identifier: GPL-2.0-only

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of words in a page; writing one of them makes the page dirty.
const PAGE: usize = 4096 / size_of::<AtomicU64>();

/// Memory of which the parent has written each page.
#[derive(Debug)]
pub(crate) struct Heap {
    words: Vec<AtomicU64>,
}

impl Heap {
    pub(crate) fn new(mib: u32) -> Self {
        let pages = mib as usize * 256;
        let words = (0..pages * PAGE).map(|word| AtomicU64::new(word as u64));
        Self {
            words: words.collect(),
        }
    }

    /// Writes another value to the first `mib` MiB.
    pub(crate) fn scribble(&self, mib: u32) {
        for word in self.words.iter().step_by(PAGE).take(mib as usize * 256) {
            word.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// Whether no value has changed.
    pub(crate) fn is_untouched(&self) -> bool {
        let mut words = self.words.iter().enumerate();
        words.all(|(number, word)| word.load(Ordering::Relaxed) == number as u64)
    }
}
