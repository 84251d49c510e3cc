// SPDX-License-Identifier: GPL-2.0-only

//! Runs the tests of suites one after the other, each in a child of its own, and reports them.

use std::fs;
use std::time::Instant;

use anyhow::Result;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, set_child_subreaper, setrlimit,
    waitpid,
};

use super::{Suite, Test};
use crate::child::{Child, Skip};
use crate::device::checked;
use crate::ktap::{Ktap, Verdict};
use crate::machine::Machine;
use crate::scale::seed;
use crate::tally;
use crate::world::Witness;

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
