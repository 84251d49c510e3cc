// SPDX-License-Identifier: GPL-2.0-only

//! Tests, and the suites that they are in.

mod run;

use std::borrow::Cow;
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

pub(crate) use self::run::{prepare, run};
use crate::scale::{some, wanted};
use crate::selection::Selection;

/// A promise, and the code that checks it.
pub(crate) struct Test {
    name: Cow<'static, str>,
    pace: Pace,
    limit: Duration,
    body: Box<dyn Fn() -> Result<()>>,
    /// Where the test is added to its suite.
    place: &'static Location<'static>,
}

/// The machine that a test needs. Each kind of machine is a guest of its own, so that two can run at once.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pace {
    /// One processor: one task runs at a time.
    Usual,
    /// Much time, or two processors.
    Slow,
    /// A clock that counts instructions. Such tests run only with `--pace counted`.
    Counted,
    /// A kernel that loads only signed modules, and that a test may lock down further, for good. Such
    /// tests run only with `--pace sealed`.
    Sealed,
    /// A kernel that lacks most contexts. Such tests run only with `--pace bare`.
    Bare,
}

impl Pace {
    /// Whether only `--pace` runs such tests.
    fn is_special(self) -> bool {
        !matches!(self, Self::Usual | Self::Slow)
    }
}

/// The tests of one subject.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) tests: Vec<Test>,
    needs: Option<&'static str>,
    enough: usize,
    left_out: usize,
}

impl Suite {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            tests: Vec::new(),
            needs: None,
            enough: usize::MAX,
            left_out: 0,
        }
    }

    /// Adds a test with the usual time limit.
    #[track_caller]
    pub(crate) fn test(
        self,
        name: impl Into<Cow<'static, str>>,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        self.add(name.into(), Pace::Usual, Duration::from_secs(30), body)
    }

    /// Adds a test that takes long, with a time limit of its own.
    #[track_caller]
    pub(crate) fn slow(
        self,
        name: impl Into<Cow<'static, str>>,
        limit: Duration,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        self.add(name.into(), Pace::Slow, limit, body)
    }

    /// Adds a test that counts instructions.
    #[track_caller]
    pub(crate) fn counted(
        self,
        name: impl Into<Cow<'static, str>>,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        self.add(name.into(), Pace::Counted, Duration::from_secs(120), body)
    }

    /// Adds a test for a kernel that is locked down. The test may lock it down further.
    #[track_caller]
    pub(crate) fn sealed(
        self,
        name: impl Into<Cow<'static, str>>,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        self.add(name.into(), Pace::Sealed, Duration::from_secs(30), body)
    }

    /// Adds a test for a kernel that lacks most contexts.
    #[track_caller]
    pub(crate) fn bare(
        self,
        name: impl Into<Cow<'static, str>>,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        self.add(name.into(), Pace::Bare, Duration::from_secs(30), body)
    }

    #[track_caller]
    fn add(
        mut self,
        name: Cow<'static, str>,
        pace: Pace,
        limit: Duration,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        assert!(!name.contains('#'), "{name}: KTAP gives # a meaning");
        self.tests.push(Test {
            name,
            pace,
            limit,
            body: Box::new(body),
            place: Location::caller(),
        });
        self
    }

    /// Skips the suite on a kernel that lacks this file.
    pub(crate) fn needs(mut self, path: &'static str) -> Self {
        self.needs = Some(path);
        self
    }

    /// Returns the file that the suite needs, if it is missing.
    fn lacks(&self) -> Option<&'static str> {
        self.needs.filter(|path| !Path::new(path).exists())
    }

    /// Sets how many of the tests, drawn by [`some`], a run without a test name takes at most.
    pub(crate) fn by_lot(mut self, enough: usize) -> Self {
        self.enough = enough;
        self
    }

    /// Draws the tests of a run without a test name.
    pub(crate) fn draw(mut self) -> Self {
        let all = self.tests.len();
        let enough = wanted(self.name, self.enough.min(all));
        self.tests = some(self.name, enough, self.tests);
        self.left_out = all - self.tests.len();
        self
    }

    pub(crate) fn has_tests(&self) -> bool {
        !self.tests.is_empty()
    }

    /// Keeps the tests that are selected.
    pub(crate) fn keep(&mut self, selection: &Selection) {
        let suite = self.name;
        self.tests
            .retain(|test| selection.has(suite, &test.title(suite)));
    }

    /// Keeps the tests of one pace, or, without one, those that are not special.
    pub(crate) fn pace(&mut self, pace: Option<Pace>) {
        self.tests
            .retain(|test| pace.map_or(!test.pace.is_special(), |pace| test.pace == pace));
    }

    pub(crate) fn titles(&self) -> impl Iterator<Item = String> {
        self.tests.iter().map(|test| test.title(self.name))
    }
}

impl Test {
    /// Returns the name by which `TEST=` selects this test.
    fn title(&self, suite: &str) -> String {
        format!("{suite}: {}", self.name)
    }
}
