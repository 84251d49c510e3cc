// SPDX-License-Identifier: GPL-2.0-only

use core::fmt;

/// A worker's answer, in a buffer on its stack. What does not fit is cut off.
#[derive(Debug)]
pub(crate) struct Answer {
    bytes: [u8; Self::SIZE],
    length: usize,
}

impl Answer {
    const SIZE: usize = 4096;

    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; Self::SIZE],
            length: 0,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Returns at most `limit` free bytes, to be [added](Self::add) after they are written.
    pub(crate) fn free(&mut self, limit: usize) -> &mut [u8] {
        let end = self.length.saturating_add(limit).min(Self::SIZE);
        self.bytes.get_mut(self.length..end).unwrap_or_default()
    }

    pub(crate) fn add(&mut self, length: usize) {
        self.length = self.length.saturating_add(length).min(Self::SIZE);
    }

    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }
}

impl fmt::Write for Answer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (to, from) in self.free(text.len()).iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.add(text.len());
        Ok(())
    }
}
