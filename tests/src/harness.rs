// SPDX-License-Identifier: GPL-2.0-only

//! Runs tests, each in a child of its own, and reports them.

use std::borrow::Cow;
use std::fs;
use std::panic::Location;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, set_child_subreaper, setrlimit,
    waitpid,
};

use crate::child::{Child, Skip};
use crate::device::checked;
use crate::ktap::{Ktap, Verdict};
use crate::machine::Machine;
use crate::scale::{seed, some, wanted};
use crate::selection::Selection;
use crate::tally;
use crate::world::Witness;

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

/// How many tests ended in which way.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

/// Runs all of `suites` and writes the report to standard output.
pub(crate) fn run(suites: &[Suite]) -> Result<Totals> {
    prepare()?;
    let machine = Machine::save()?;
    let mut totals = Totals::default();
    let mut report = Ktap::new(suites.len())?;
    report.diagnostic(&format!("SEED={}", seed()))?;
    for suite in suites {
        if let Some(path) = suite.lacks() {
            totals.skipped += 1;
            let reason = format!("this kernel has no {path}");
            report.result(suite.name, Verdict::Skip(&reason))?;
            continue;
        }
        let failed_before = totals.failed;
        let mut level = report.subtest(suite.name, suite.tests.len())?;
        if suite.left_out > 0 {
            level.diagnostic(&format!(
                "{} other tests of this suite were not drawn",
                suite.left_out
            ))?;
        }
        for test in &suite.tests {
            run_one(test, suite.name, &machine, &mut level, &mut totals)?;
        }
        let verdict = match totals.failed == failed_before {
            true => Verdict::Ok,
            false => Verdict::NotOk,
        };
        report.result(suite.name, verdict)?;
    }
    report.diagnostic(&format!(
        "Totals: pass:{} fail:{} xfail:0 xpass:0 skip:{} error:0",
        totals.passed, totals.failed, totals.skipped
    ))?;
    report.diagnostic(&format!("Tried:{}", tally::report()))?;
    Ok(totals)
}

/// Prepares this process for the tests.
pub(crate) fn prepare() -> Result<()> {
    // The orphans of a test become children of this process, which kills them before the next test.
    set_child_subreaper(Pid::from_raw(1))?;
    // Some tests open more descriptors than the default limit allows.
    let many = Rlimit {
        current: Some(4096),
        maximum: Some(4096),
    };
    setrlimit(Resource::Nofile, many)?;
    one_arena();
    tally::begin()?;
    Witness::appoint()
}

/// Kills the processes that a test has left running: they might hold the device open.
fn end_orphans() -> Result<()> {
    let witness = Witness::Common.pid;
    loop {
        let children = fs::read_to_string("/proc/thread-self/children")?;
        let orphans = children.split_whitespace().map(str::parse);
        let orphans = orphans.collect::<Result<Vec<_>, _>>()?;
        let mut orphans = orphans
            .into_iter()
            .filter_map(Pid::from_raw)
            .filter(|pid| *pid != witness)
            .peekable();
        if orphans.peek().is_none() {
            return Ok(());
        }
        // The next round kills the orphans' own children.
        for orphan in orphans {
            kill_process(orphan, Signal::KILL)?;
            waitpid(Some(orphan), WaitOptions::empty())?;
        }
    }
}

/// Makes all threads allocate from one arena. Otherwise the allocator would map another one for a new
/// thread at any time, and tests compare mappings.
fn one_arena() {
    const ARENA_MAX: i32 = -8;
    unsafe extern "C" {
        safe fn mallopt(parameter: i32, value: i32) -> i32;
    }
    mallopt(ARENA_MAX, 1);
}

fn run_one(
    test: &Test,
    suite: &str,
    machine: &Machine,
    level: &mut Ktap,
    totals: &mut Totals,
) -> Result<()> {
    let start = Instant::now();
    let outcome = Child::spawn(|| {
        // The parent needs its open files of the machine's settings; the child does not.
        // SAFETY: The child uses none of the descriptors above its standard files, and drops no owner of one.
        checked(unsafe { libc::close_range(3, u32::MAX, 0) })?;
        (test.body)().map(|()| String::new())
    })
    .and_then(|child| child.report(test.limit));
    end_orphans()?;
    if outcome.is_err() {
        Witness::settle();
    }
    let left_behind = machine.restore()?;
    eprintln!(
        "{:6} ms  {}",
        start.elapsed().as_millis(),
        test.title(suite)
    );
    match outcome {
        Ok(_) if left_behind.is_empty() => {
            totals.passed += 1;
            level.result(&test.name, Verdict::Ok)?;
        }
        Ok(_) => {
            totals.failed += 1;
            diagnose(
                level,
                test,
                suite,
                &format!("the test left behind: {left_behind:?}"),
            )?;
            level.result(&test.name, Verdict::NotOk)?;
        }
        Err(error) if error.is::<Skip>() => {
            totals.skipped += 1;
            level.result(&test.name, Verdict::Skip(&error.to_string()))?;
        }
        Err(error) => {
            totals.failed += 1;
            diagnose(level, test, suite, &format!("{error:#}"))?;
            level.result(&test.name, Verdict::NotOk)?;
        }
    }
    Ok(())
}

/// Says why a test failed, where it is, and how to run it alone.
fn diagnose(level: &Ktap, test: &Test, suite: &str, why: &str) -> Result<()> {
    level.diagnostic(why)?;
    let (file, line) = (test.place.file(), test.place.line());
    level.diagnostic(&format!("the test is added in {file}:{line}"))?;
    // For a shell: the name in single quotes.
    let name = test.title(suite).replace('\'', r"'\''");
    level.diagnostic(&format!("to run it alone: TEST='{name}'"))?;
    Ok(())
}
