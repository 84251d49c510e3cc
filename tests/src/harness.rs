// SPDX-License-Identifier: GPL-2.0-only

//! Runs tests, each in a child of its own, and reports them.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use rustix::process::{Pid, Resource, Rlimit, set_child_subreaper, setrlimit};

use crate::child::{Child, Skip};
use crate::device::checked;
use crate::ktap::{Ktap, Verdict};
use crate::machine::Machine;
use crate::world::Witness;

/// One promise, and the code that checks it.
pub(crate) struct Test {
    name: Cow<'static, str>,
    pace: Pace,
    limit: Duration,
    body: Box<dyn Fn() -> Result<()>>,
}

/// How long a test takes, so that the long ones can run beside the others in a machine of their own.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pace {
    Usual,
    Slow,
}

/// The tests of one subject.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) tests: Vec<Test>,
}

impl Suite {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            tests: Vec::new(),
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

    /// Keeps the tests whose `suite: name` contains `filter`, and of them those of one pace, if any.
    pub(crate) fn filter(mut self, filter: &str, pace: Option<Pace>) -> Self {
        let suite = self.name;
        self.tests.retain(|test| {
            test.title(suite).contains(filter) && pace.is_none_or(|pace| test.pace == pace)
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
    // Orphans of a killed test come here, to be reaped before the next one starts.
    set_child_subreaper(Pid::from_raw(1))?;
    // More descriptors than a machine gives by itself.
    let many = Rlimit {
        current: Some(4096),
        maximum: Some(4096),
    };
    setrlimit(Resource::Nofile, many)?;
    let machine = Machine::save()?;
    Witness::appoint()?;
    let mut totals = Totals::default();
    let mut report = Ktap::new(suites.len())?;
    for suite in suites {
        let failed_before = totals.failed;
        let mut level = report.subtest(suite.name, suite.tests.len())?;
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
    Ok(totals)
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
