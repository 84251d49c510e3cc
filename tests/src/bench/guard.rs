// SPDX-License-Identifier: GPL-2.0-only

//! The main requests must not become more expensive unnoticed.

use anyhow::{Context, Result};
use unshare_bench::Report;

use super::{clock, plans, prepare};
use crate::check::ensure;
use crate::harness::Suite;

/// The output of `make bench` when the figures were last committed.
#[cfg(target_arch = "x86_64")]
const COMMITTED: &str = include_str!("../../../bench/figures.json");
#[cfg(target_arch = "aarch64")]
const COMMITTED: &str = include_str!("../../../bench/figures.arm64.json");

const MAIN: [&str; 6] = [
    "nothing",
    "fs and files",
    "files, 64 open",
    "mount, 30 mounts",
    "vm, 16 MiB in 4 KiB pages",
    "attach 5",
];

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("bench");
    MAIN.into_iter().fold(suite, |suite, name| {
        suite.counted(
            format!("{name}: within 5 % of the committed count"),
            move || guard(name),
        )
    })
}

fn guard(name: &str) -> Result<()> {
    ensure!(clock::counts(), "the clock does not count instructions");
    prepare()?;
    let committed: Report = serde_json::from_str(COMMITTED)?;
    let committed = committed.counted.request(name);
    let committed = committed.with_context(|| format!("no figure of {name:?}"))?;
    let plan = plans().into_iter().find(|plan| plan.name == name);
    let now = plan.context("no such request")?.measure(3)?;
    let [before_others, others] = [committed, &now].map(|request| {
        let other = request.others.first();
        other.map(|other| other.cost.median())
    });
    // On another kernel than that of the figures, the module may differ by the same ratio as the
    // system call.
    let (before_others, others) = before_others.zip(others).context("no system call")?;
    let due = committed.ours.median() * others / before_others;
    let now = now.ours.median();
    // Also fails for fewer instructions: otherwise nobody would notice when they become more again.
    ensure!(
        (due * 95..=due * 105).contains(&(now * 100)),
        "{now} instructions, and {due} are due by the committed figures: if that is what it takes, commit \
         what `make bench` says now, and why"
    );
    Ok(())
}
