// SPDX-License-Identifier: GPL-2.0-only

//! Runs tests, each in a child of its own, and reports them.

use std::borrow::Cow;
use std::fs;
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
use crate::tally;
use crate::world::Witness;

/// One promise, and the code that checks it.
pub(crate) struct Test {
    name: Cow<'static, str>,
    pace: Pace,
    limit: Duration,
    body: Box<dyn Fn() -> Result<()>>,
}

/// What a test wants of a machine, so that two can share the work.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pace {
    /// One processor: one task does something after the other.
    Usual,
    /// Time, or two processors, on which things happen at the same time.
    Slow,
    /// A clock that counts instructions; not unless it is asked for.
    Counted,
    /// A kernel that takes nothing unsigned, and that can be closed further and never opened again; not
    /// unless it is asked for.
    Sealed,
    /// A kernel that lacks most of what there is to unshare; not unless it is asked for.
    Bare,
}

impl Pace {
    /// Whether it takes a machine that few are.
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
    pub(crate) fn test(
        self,
        name: impl Into<Cow<'static, str>>,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        self.add(name.into(), Pace::Usual, Duration::from_secs(30), body)
    }

    /// Adds a test that takes long, with a time limit of its own.
    pub(crate) fn slow(
        self,
        name: impl Into<Cow<'static, str>>,
        limit: Duration,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        self.add(name.into(), Pace::Slow, limit, body)
    }

    /// Adds a test of how many instructions something takes.
    pub(crate) fn counted(
        self,
        name: impl Into<Cow<'static, str>>,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        self.add(name.into(), Pace::Counted, Duration::from_secs(120), body)
    }

    /// Adds a test that a kernel is for which is locked down, and perhaps more so afterwards.
    pub(crate) fn sealed(
        self,
        name: impl Into<Cow<'static, str>>,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        self.add(name.into(), Pace::Sealed, Duration::from_secs(30), body)
    }

    /// Adds a test of what a kernel does without.
    pub(crate) fn bare(
        self,
        name: impl Into<Cow<'static, str>>,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        self.add(name.into(), Pace::Bare, Duration::from_secs(30), body)
    }

    fn add(
        mut self,
        name: Cow<'static, str>,
        pace: Pace,
        limit: Duration,
        body: impl Fn() -> Result<()> + 'static,
    ) -> Self {
        assert!(!name.contains('#'), "KTAP takes what follows # for itself");
        self.tests.push(Test {
            name,
            pace,
            limit,
            body: Box::new(body),
        });
        self
    }

    /// A kernel without this file cannot run its tests.
    pub(crate) fn needs(mut self, path: &'static str) -> Self {
        self.needs = Some(path);
        self
    }

    /// What it needs, if that is missing.
    fn lacks(&self) -> Option<&'static str> {
        self.needs.filter(|path| !Path::new(path).exists())
    }

    /// So many of its tests, drawn by [`some`], do where nobody asks for one by name.
    pub(crate) fn by_lot(mut self, enough: usize) -> Self {
        self.enough = enough;
        self
    }

    /// Draws the lots. Those that are not drawn do not count.
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

    /// Keeps the tests whose `suite: name` contains `filter`, and of them those of one pace, if any.
    pub(crate) fn filter(mut self, filter: &str, pace: Option<Pace>) -> Self {
        let suite = self.name;
        self.tests.retain(|test| {
            test.title(suite).contains(filter)
                && pace.map_or(!test.pace.is_special(), |pace| test.pace == pace)
        });
        self
    }
}

impl Test {
    pub(crate) fn title(&self, suite: &str) -> String {
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
            level.diagnostic(&format!("drawn by lot; {} others were not", suite.left_out))?;
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

/// What has to be there before anything is tried.
pub(crate) fn prepare() -> Result<()> {
    // Orphans of a test come here, to be ended before the next one starts.
    set_child_subreaper(Pid::from_raw(1))?;
    // More descriptors than a machine gives by itself.
    let many = Rlimit {
        current: Some(4096),
        maximum: Some(4096),
    };
    setrlimit(Resource::Nofile, many)?;
    one_arena();
    tally::begin()?;
    Witness::appoint()
}

/// Ends what a test has left running, which would hold the device open, say.
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
        // Theirs come here when they have ended.
        for orphan in orphans {
            kill_process(orphan, Signal::KILL)?;
            waitpid(Some(orphan), WaitOptions::empty())?;
        }
    }
}

/// Has threads take memory from where the first one does. By itself the allocator would map more for
/// each, and nobody knows when.
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
        // The machine's settings are the parent's to look after.
        // SAFETY: This child uses nothing that is open beyond its standard files, and drops none of it.
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
            level.diagnostic(&format!("the test left behind: {left_behind:?}"))?;
            level.result(&test.name, Verdict::NotOk)?;
        }
        Err(error) if error.is::<Skip>() => {
            totals.skipped += 1;
            level.result(&test.name, Verdict::Skip(&error.to_string()))?;
        }
        Err(error) => {
            totals.failed += 1;
            level.diagnostic(&format!("{error:#}"))?;
            level.result(&test.name, Verdict::NotOk)?;
        }
    }
    Ok(())
}
