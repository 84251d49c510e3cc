// SPDX-License-Identifier: GPL-2.0-only

//! Writes KTAP version 1, which `tools/testing/kunit/kunit.py parse` reads.

use std::io::{self, Write};

/// One level of a report; a subtest's level is one deeper.
pub(crate) struct Ktap {
    depth: usize,
    next: usize,
}

/// The result of one test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    Ok,
    NotOk,
    Skip(&'a str),
}

impl Ktap {
    /// Begins the report of `tests` tests.
    pub(crate) fn new(tests: usize) -> io::Result<Self> {
        let ktap = Self { depth: 0, next: 1 };
        ktap.line("KTAP version 1")?;
        ktap.line(&format!("1..{tests}"))?;
        Ok(ktap)
    }

    /// Begins the report of a test that consists of `tests` tests.
    pub(crate) fn subtest(&self, name: &str, tests: usize) -> io::Result<Self> {
        let ktap = Self {
            depth: self.depth + 1,
            next: 1,
        };
        ktap.line("KTAP version 1")?;
        ktap.line(&format!("# Subtest: {name}"))?;
        ktap.line(&format!("1..{tests}"))?;
        Ok(ktap)
    }

    /// Writes diagnostic lines, which precede the result that they explain.
    pub(crate) fn diagnostic(&self, text: &str) -> io::Result<()> {
        text.lines()
            .try_for_each(|line| self.line(&format!("# {line}")))
    }

    /// Writes the result of the next test.
    pub(crate) fn result(&mut self, name: &str, verdict: Verdict<'_>) -> io::Result<()> {
        let number = self.next;
        self.next += 1;
        match verdict {
            Verdict::Ok => self.line(&format!("ok {number} {name}")),
            Verdict::NotOk => self.line(&format!("not ok {number} {name}")),
            Verdict::Skip(reason) => self.line(&format!(
                "ok {number} {name} # SKIP {}",
                reason.replace('\n', " ")
            )),
        }
    }

    fn line(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{:indent$}{text}", "", indent = 4 * self.depth)?;
        out.flush()
    }
}
