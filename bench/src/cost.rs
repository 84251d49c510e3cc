// SPDX-License-Identifier: GPL-2.0-only

use serde::{Deserialize, Serialize};

/// The cost of one way to make a request, in instructions or in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The first run, with empty caches.
    pub first: u64,
    /// The other runs, in ascending order.
    runs: Vec<u64>,
}

impl Cost {
    /// Makes it from a first run and others in any order; `None` without others.
    #[must_use]
    pub fn new(first: u64, mut runs: Vec<u64>) -> Option<Self> {
        runs.sort_unstable();
        (!runs.is_empty()).then_some(Self { first, runs })
    }

    /// The median of the runs.
    #[must_use]
    pub fn median(&self) -> u64 {
        self.percentile(50)
    }

    /// The cost that `percent` of the runs did not exceed.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> u64 {
        let rank = (self.runs.len() * percent).div_ceil(100);
        self.runs[rank.clamp(1, self.runs.len()) - 1]
    }

    /// The difference between the least and the most expensive run, relative to the median.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let [least, .., most] = self.runs[..] else {
            return 0.0;
        };
        (most - least) as f64 / self.median().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_runs() {
        let cost = Cost::new(1000, (1..=200).rev().collect()).unwrap();
        assert_eq!(cost.median(), 100);
        assert_eq!(cost.percentile(99), 198);
        assert_eq!(cost.percentile(0), 1);
        assert_eq!(cost.percentile(100), 200);
        assert!((cost.spread() - 1.99).abs() < 1e-9);
    }

    #[test]
    fn one_run_has_no_spread() {
        let cost = Cost::new(9, vec![7]).unwrap();
        assert_eq!((cost.median(), cost.percentile(99)), (7, 7));
        assert!(cost.spread().abs() < 1e-9);
        assert_eq!(Cost::new(9, vec![]), None);
    }
}
