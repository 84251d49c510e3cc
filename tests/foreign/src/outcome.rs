// SPDX-License-Identifier: GPL-2.0-only

//! What a program says: the result lines of its TAP or KTAP, in their order, and its exit status.

use std::fmt;

/// The result of one test, or of the whole program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// What the program calls it. It may hold a process number, so that it takes no part in the comparison.
    pub(crate) name: String,
    pub(crate) verdict: String,
}

/// All results of one run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) lines: Vec<Line>,
    /// All that it printed.
    pub(crate) said: String,
}

impl Outcome {
    pub(crate) fn new(said: String, status: &str) -> Self {
        let mut lines: Vec<_> = said.lines().filter_map(Line::parse).collect();
        lines.push(Line {
            name: "exit status".to_owned(),
            verdict: status.to_owned(),
        });
        Self { lines, said }
    }

    /// How many tests there are that both have, or one of them.
    pub(crate) fn count(&self, other: &Self) -> usize {
        self.lines.len().max(other.lines.len())
    }

    /// The result in this place.
    pub(crate) fn at(&self, place: usize, all: usize) -> Line {
        // The exit status is the last one of each.
        let last = self.lines.len() - 1;
        let line = match place {
            _ if place == all - 1 => self.lines.get(last),
            _ if place == last => None,
            _ => self.lines.get(place),
        };
        line.cloned().unwrap_or(Line {
            name: String::new(),
            verdict: "no result".to_owned(),
        })
    }
}

impl Line {
    /// "ok 3 name", "not ok 3 name", "ok 3 name # SKIP reason".
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim_start();
        let (verdict, rest) = match line.strip_prefix("not ok ") {
            Some(rest) => ("not ok", rest),
            None => ("ok", line.strip_prefix("ok ")?),
        };
        let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        number.parse::<u32>().ok()?;
        let (name, directive) = rest.split_once('#').unwrap_or((rest, ""));
        let directive = directive.split_whitespace().next().unwrap_or_default();
        let name = name.trim().trim_start_matches("- ");
        Some(Self {
            name: name.to_owned(),
            verdict: format!("{verdict} {directive}").trim().to_owned(),
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn results_are_compared_by_place() {
        let first = Outcome::new(
            "TAP version 13\nok 1 a.b\nnot ok 2 c # XFAIL why\n".into(),
            "0",
        );
        let second = Outcome::new("ok 1 a.b\n".into(), "1");
        let all = first.count(&second);
        assert_eq!(all, 3);
        assert_eq!(first.at(0, all), second.at(0, all));
        assert_eq!(first.at(1, all).verdict, "not ok XFAIL");
        assert_eq!(second.at(1, all).verdict, "no result");
        assert_eq!(first.at(2, all).verdict, "0");
        assert_eq!(second.at(2, all).verdict, "1");
    }

    #[test]
    fn what_is_no_result_is_left_out() {
        let outcome = Outcome::new("# ok 1 x\nok then\nok 4 - y # SKIP no\n".into(), "0");
        assert_eq!(outcome.lines.len(), 2);
        assert_eq!(outcome.lines[0].name, "y");
        assert_eq!(outcome.lines[0].verdict, "ok SKIP");
    }
}
