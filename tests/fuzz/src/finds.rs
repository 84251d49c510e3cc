// SPDX-License-Identifier: GPL-2.0-only

//! What inputs have reached: edges of the module, how often, and the result that the caller got.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use unshare_tests::fuzz::{Edges, Trace};

/// The number of map places for results. Several results share a place.
const TOLD: usize = 1 << 12;

/// The places of a map that were reached, with how often.
type Led = BTreeSet<(usize, u8)>;

pub(crate) struct Finds {
    functions: Vec<String>,
    /// The edges of loading the module.
    load: BTreeSet<usize>,
    seen: Led,
    /// The inputs that reached something new, and everything that each of them reached.
    inputs: Vec<(Vec<u8>, Led)>,
}

impl Finds {
    /// `trace` has the edges of the module's last loading.
    pub(crate) fn new(edges: &Edges, trace: &Trace) -> Self {
        // Also the edges of code that is discarded after loading.
        let load = trace
            .addresses()
            .filter_map(|address| edges.place(address).ok());
        Self {
            functions: edges.functions().map(str::to_owned).collect(),
            load: load.collect(),
            seen: BTreeSet::new(),
            inputs: Vec::new(),
        }
    }

    /// Returns the size of the map that [`note`](Self::note) needs.
    pub(crate) fn places(edges: &Edges) -> usize {
        edges.functions().len() + TOLD
    }

    /// Records what an input reached, also in a map of zeroes.
    pub(crate) fn note(&mut self, input: &[u8], edges: &[usize], said: &str, map: &mut [u8]) {
        let mut counts = BTreeMap::<usize, u32>::new();
        for &edge in edges {
            *counts.entry(edge).or_default() += 1;
        }
        for (edge, count) in counts {
            // Once, twice, four times, ...: the exact number makes no input new.
            map[edge] = u8::try_from(count.ilog2() + 1).unwrap_or(u8::MAX);
        }
        for word in said.split(' ') {
            let mut hasher = DefaultHasher::new();
            word.hash(&mut hasher);
            let place = usize::try_from(hasher.finish() % TOLD as u64).unwrap_or(0);
            map[self.functions.len() + place] = 1;
        }
        let places = map.iter().copied().enumerate().filter(|place| place.1 != 0);
        let found: Led = places.collect();
        if !found.is_subset(&self.seen) {
            self.seen.extend(&found);
            self.inputs.push((input.to_vec(), found));
        }
    }

    /// Returns inputs that together reach everything, the shortest first; each reaches something
    /// that those before do not.
    pub(crate) fn smallest(&self) -> Vec<&[u8]> {
        let mut all: Vec<_> = self.inputs.iter().collect();
        all.sort_by_key(|(input, _)| input.len());
        let mut covered = BTreeSet::new();
        all.retain(|(_, found)| {
            let adds = !found.is_subset(&covered);
            covered.extend(found);
            adds
        });
        all.into_iter().map(|(input, _)| &**input).collect()
    }

    /// Says how many edges were reached, and where the others are.
    pub(crate) fn report(&self) -> String {
        let reached: BTreeSet<_> = self.seen.iter().map(|(place, _)| *place).collect();
        let of_load = |place: &usize| self.load.contains(place) && !reached.contains(place);
        let mut left = BTreeMap::<&str, [usize; 2]>::new();
        let places = self.functions.iter().enumerate();
        for (place, function) in places.filter(|(place, _)| !of_load(place)) {
            let [missed, all] = left.entry(function).or_default();
            *missed += usize::from(!reached.contains(&place));
            *all += 1;
        }
        let count = reached.range(..self.functions.len()).count();
        let load = self.load.iter().filter(|place| of_load(place)).count();
        let total = self.functions.len() - load;
        let mut text = format!(
            "Reached {count} of the {total} edges of the module; {load} more are of its loading. \
             Not, of all:\n"
        );
        for (function, [missed, all]) in left.iter().filter(|(_, [missed, _])| *missed > 0) {
            let _ = writeln!(text, "{missed:4} of {all:4}  {function}");
        }
        text
    }
}
