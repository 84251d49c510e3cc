// SPDX-License-Identifier: GPL-2.0-only

//! Which tests `TEST=` selects.

use anyhow::{Result, anyhow};

/// How many names an error suggests.
const SUGGESTIONS: usize = 5;

/// Some of the tests. A test's title is `suite: name`.
pub(crate) enum Selection {
    All,
    /// The tests of the suite with this name, and not those of suites whose names begin with it.
    Suite(String),
    /// The tests whose titles begin with this. A whole title selects one test.
    Prefix(String),
}

impl Selection {
    /// Returns the selection that `name` stands for: the name of a suite, the title of a test, or the
    /// beginning of titles. An empty `name` selects all.
    ///
    /// # Errors
    ///
    /// If no suite and no test has such a name. The error has the names that are nearest to it.
    pub(crate) fn new(name: &str, suites: &[&str], titles: &[String]) -> Result<Self> {
        if name.is_empty() {
            Ok(Self::All)
        } else if suites.contains(&name) {
            Ok(Self::Suite(name.to_owned()))
        } else if titles.iter().any(|title| title.starts_with(name)) {
            Ok(Self::Prefix(name.to_owned()))
        } else {
            let nearest = nearest(name, suites, titles).join("', '");
            Err(anyhow!(
                "no test has this name or begins with it; the nearest names are '{nearest}'"
            ))
        }
    }

    /// Whether the test with this title, of this suite, is selected.
    pub(crate) fn has(&self, suite: &str, title: &str) -> bool {
        match self {
            Self::All => true,
            Self::Suite(name) => suite == name,
            Self::Prefix(prefix) => title.starts_with(prefix),
        }
    }
}

/// Returns the names most like `name`: first the suites that contain it, then the tests that do, and then the most
/// similar names. Of a suite that `name` begins with, only the tests.
fn nearest(name: &str, suites: &[&str], titles: &[String]) -> Vec<String> {
    let suite = name.split_once(':').map(|(suite, _)| suite);
    let suite = suite.filter(|suite| suites.contains(suite));
    let titles = titles.iter().map(String::as_str);
    let mut all: Vec<&str> = match suite {
        Some(suite) => {
            let beginning = format!("{suite}:");
            titles
                .filter(|title| title.starts_with(&beginning))
                .collect()
        }
        None => suites.iter().copied().chain(titles).collect(),
    };
    all.sort_by(|one, other| {
        let key = |candidate: &str| {
            let contains = candidate.contains(name);
            let is_suite = contains && !candidate.contains(':');
            (contains, is_suite, strsim::jaro_winkler(candidate, name))
        };
        let (one, other) = (key(one), key(other));
        let contain = (other.0, other.1).cmp(&(one.0, one.1));
        contain.then(other.2.total_cmp(&one.2))
    });
    all.dedup();
    all.into_iter()
        .take(SUGGESTIONS)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITES: [&str; 3] = ["files", "files_dropped", "unshare_run"];

    fn titles() -> Vec<String> {
        let titles = [
            "files: one",
            "files: other",
            "files_dropped: one",
            "unshare_run: files",
        ];
        titles.map(str::to_owned).to_vec()
    }

    fn selected(name: &str) -> Vec<String> {
        let selection = Selection::new(name, &SUITES, &titles()).unwrap();
        let mut titles = titles();
        titles.retain(|title| {
            let suite = title.split_once(':').unwrap().0;
            selection.has(suite, title)
        });
        titles
    }

    #[test]
    fn a_suite_is_selected_by_its_whole_name() {
        assert_eq!(selected("files"), ["files: one", "files: other"]);
    }

    #[test]
    fn a_test_is_selected_by_its_title() {
        assert_eq!(selected("files: one"), ["files: one"]);
    }

    #[test]
    fn a_prefix_selects_every_title_that_begins_with_it() {
        assert_eq!(selected("files_"), ["files_dropped: one"]);
        assert_eq!(selected("files: o"), ["files: one", "files: other"]);
        assert_eq!(selected(""), titles());
    }

    #[test]
    fn a_name_that_matches_nothing_is_refused_with_the_nearest_names() {
        for (name, nearest) in [
            ("dropped", "are 'files_dropped'"),
            ("fils", "are 'files'"),
            ("files: ohter", "are 'files: other', 'files: one'"),
        ] {
            let error = Selection::new(name, &SUITES, &titles()).err().unwrap();
            assert!(error.to_string().contains(nearest), "{name}: {error}");
        }
    }
}
