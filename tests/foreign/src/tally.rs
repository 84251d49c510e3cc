// SPDX-License-Identifier: GPL-2.0-only

//! How many calls became requests, and why others did not.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};

/// The outcome of a call, in words.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    turned: BTreeMap<String, u64>,
    left: BTreeMap<String, u64>,
}

impl Tally {
    /// A call of this kind became a request.
    pub(crate) fn turned(&mut self, kind: &str) {
        *self.turned.entry(kind.to_owned()).or_default() += 1;
    }

    /// A call stayed as it was, for this reason.
    pub(crate) fn left(&mut self, reason: &str) {
        *self.left.entry(reason.to_owned()).or_default() += 1;
    }

    /// How many calls became requests.
    pub(crate) fn all_turned(&self) -> u64 {
        self.turned.values().sum()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (kind, count) in &other.turned {
            *self.turned.entry(kind.clone()).or_default() += count;
        }
        for (reason, count) in &other.left {
            *self.left.entry(reason.clone()).or_default() += count;
        }
    }

    /// For a file, from which [`read`](Self::read) takes it.
    pub(crate) fn write(&self) -> String {
        let turned = self.turned.iter().map(|(name, count)| ('+', name, count));
        let left = self.left.iter().map(|(name, count)| ('-', name, count));
        let mut text = String::new();
        for (sign, name, count) in turned.chain(left) {
            text += &format!("{sign}\t{count}\t{name}\n");
        }
        text
    }

    /// # Errors
    ///
    /// When the text is not one of [`write`](Self::write).
    pub(crate) fn read(text: &str) -> Result<Self> {
        let mut tally = Self::default();
        for line in text.lines() {
            let mut parts = line.splitn(3, '\t');
            let mut part = || parts.next().with_context(|| format!("no count: {line:?}"));
            let (sign, count, name) = (part()?, part()?.parse()?, part()?.to_owned());
            let of = match sign {
                "+" => &mut tally.turned,
                _ => &mut tally.left,
            };
            of.insert(name, count);
        }
        Ok(tally)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.turned {
            writeln!(f, "{count:6} calls became requests: {kind}")?;
        }
        for (reason, count) in &self.left {
            writeln!(f, "{count:6} calls stayed as they were: {reason}")?;
        }
        Ok(())
    }
}
