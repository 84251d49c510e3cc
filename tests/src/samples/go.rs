// SPDX-License-Identifier: GPL-2.0-only

//! `bindings/go`: its own tests, which are a program that `qemu/go` builds.

use std::process::Command;

use anyhow::{Context, Result};

use crate::check::ensure;
use crate::harness::Suite;
use crate::scale::{limit, rounds};

const PROGRAM: &str = "/bin/unshare-go-tests";

pub(crate) fn suite() -> Suite {
    Suite::new("go").slow("each test of bindings/go passes", limit(), each_passes)
}

fn each_passes() -> Result<()> {
    let output = Command::new(PROGRAM)
        .arg("-test.v")
        .arg(format!("-goroutines={}", rounds(10_000, 100_000)))
        .output()
        .context("make test brings this program, make vm does not")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let names = |verdict: &str| -> Vec<_> {
        let lines = printed.lines().map(str::trim_start);
        lines
            .filter_map(|line| line.strip_prefix(verdict))
            .collect()
    };
    ensure!(
        output.status.success() && names("--- SKIP: ").is_empty(),
        "{}: failed: {:?}, skipped: {:?}\n{printed}{said}",
        output.status,
        names("--- FAIL: "),
        names("--- SKIP: "),
    );
    let (begun, passed) = (names("=== RUN ").len(), names("--- PASS: ").len());
    ensure!(begun > 0 && begun == passed, "{passed} of {begun} passed");
    Ok(())
}
