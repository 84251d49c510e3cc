// SPDX-License-Identifier: GPL-2.0-only

//! Combines what the guests of `make bench` measured into a table, beside an earlier report if there is one, and
//! writes a report for later comparisons.

mod table;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use unshare_bench::{Figures, Report};

/// Shows what requests cost.
#[derive(Parser)]
struct Options {
    /// The measurements in instructions
    #[arg(long)]
    counted: PathBuf,
    /// The measurements in nanoseconds
    #[arg(long)]
    timed: PathBuf,
    /// An earlier report to compare with
    #[arg(long)]
    compare: Option<PathBuf>,
    /// Where the report goes
    #[arg(long)]
    report: PathBuf,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let report = Report {
        counted: Figures::read(&options.counted)?,
        timed: Figures::read(&options.timed)?,
    };
    let earlier = options.compare.as_deref().map(Report::read).transpose()?;
    report.write(&options.report)?;
    print!("{}", table::show(&report, earlier.as_ref()));
    Ok(())
}
