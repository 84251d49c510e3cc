// SPDX-License-Identifier: GPL-2.0-only

use std::str::FromStr;

/// Ids that follow each other, and what they are outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(super) inner: u32,
    pub(super) outer: u32,
    pub(super) count: u32,
}

/// The value of --map-users and --map-groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Range(Range),
    Auto,
    Subids,
    All,
}

impl Range {
    pub(super) fn one(inner: u32, outer: u32) -> Self {
        let count = 1;
        Self {
            inner,
            outer,
            count,
        }
    }

    /// The first `count` ids of it.
    fn first(self, count: u32) -> Self {
        Self { count, ..self }
    }

    /// All but the first `count` ids of it.
    fn after(self, count: u32) -> Self {
        Self {
            inner: self.inner.saturating_add(count),
            outer: self.outer.saturating_add(count),
            count: self.count - count,
        }
    }

    /// It without the ids that are the single range's on either side.
    fn without(self, single: Self) -> Vec<Self> {
        let offsets = [
            single.inner.checked_sub(self.inner),
            single.outer.checked_sub(self.outer),
        ];
        let offset = offsets
            .into_iter()
            .flatten()
            .find(|offset| *offset < self.count);
        let Some(offset) = offset else {
            return vec![self];
        };
        let (before, after) = (self.first(offset), self.after(offset + 1));
        [before, after]
            .into_iter()
            .filter(|part| part.count > 0)
            .flat_map(|part| part.without(single))
            .collect()
    }
}

impl FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => return Ok(Self::Auto),
            "subids" => return Ok(Self::Subids),
            "all" => return Ok(Self::All),
            _ => {}
        }
        let numbers: Option<Vec<u32>> = text.split(':').map(|word| word.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[inner, outer, count]) if count > 0 => Ok(Self::Range(Range {
                inner,
                outer,
                count,
            })),
            _ => Err("neither INNER:OUTER:COUNT nor one of auto, subids, all"),
        }
    }
}

/// The caller's own id, if it is mapped, and the ranges without it.
pub(super) fn join(single: Option<Range>, ranges: Vec<Range>) -> Vec<Range> {
    let Some(single) = single else {
        return ranges;
    };
    let others = ranges.into_iter().flat_map(|range| range.without(single));
    [single].into_iter().chain(others).collect()
}

/// The text of a map.
pub(super) fn lines(ranges: &[Range]) -> String {
    let line = |range: &Range| format!("{} {} {}\n", range.inner, range.outer, range.count);
    ranges.iter().map(line).collect()
}

/// The ranges in the text of a map.
pub(super) fn parse_map(map: &str) -> impl Iterator<Item = Range> {
    map.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
        Some(Range {
            inner: numbers.next()?,
            outer: numbers.next()?,
            count: numbers.next()?,
        })
    })
}

/// What `id` is inside. An id that is not mapped stays as it is: the kernel will refuse it.
pub(super) fn translate(map: &str, id: u32) -> u32 {
    let inside = parse_map(map).find_map(|range| {
        let offset = id
            .checked_sub(range.outer)
            .filter(|offset| *offset < range.count)?;
        range.inner.checked_add(offset)
    });
    inside.unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(inner: u32, outer: u32, count: u32) -> Range {
        Range {
            inner,
            outer,
            count,
        }
    }

    #[test]
    fn ids_are_those_inside() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!(translate(map, 1000), 0);
        assert_eq!(translate(map, 100_999), 1000);
        assert_eq!(translate(map, 0), 0);
        assert_eq!(translate(map, 165_536), 165_536);
        assert_eq!(translate("0 0 4294967295\n", 7), 7);
    }

    #[test]
    fn the_callers_own_id_is_mapped_once() {
        let auto = range(0, 100_000, 65_536);
        let own = Range::one(0, 1000);
        assert_eq!(
            join(Some(own), vec![auto]),
            [own, range(1, 100_001, 65_535)]
        );
        let own = Range::one(1000, 1000);
        let expected = [own, range(0, 100_000, 1000), range(1001, 101_001, 64_535)];
        assert_eq!(join(Some(own), vec![auto]), expected);
        assert_eq!(join(None, vec![auto]), [auto]);
    }

    #[test]
    fn an_id_that_is_taken_on_both_sides_leaves_three_parts() {
        let own = Range::one(3, 15);
        let parts = join(Some(own), vec![range(0, 10, 10)]);
        assert_eq!(
            parts,
            [own, range(0, 10, 3), range(4, 14, 1), range(6, 16, 4)]
        );
    }

    #[test]
    fn sources_are_ranges_and_words() {
        assert_eq!("0:1000:1".parse(), Ok(Source::Range(range(0, 1000, 1))));
        assert_eq!("subids".parse(), Ok(Source::Subids));
        for text in ["", "0:1", "0:1:0", "0,1,2", "0:1:2:3", "-1:0:1", "every"] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }
}
