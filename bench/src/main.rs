// SPDX-License-Identifier: GPL-2.0-only

//! Puts what the guests of `make bench` measured together: a table, set against an earlier one if
//! there is one, a file that a later one can be set against, and a chart.

mod chart;
mod table;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use unshare_bench::{Figures, Report};

/// Shows what requests cost.
#[derive(Parser)]
struct Options {
    /// What was measured in instructions
    #[arg(long)]
    counted: PathBuf,
    /// What was measured in nanoseconds
    #[arg(long)]
    timed: PathBuf,
    /// An earlier report, to set this one against
    #[arg(long)]
    compare: Option<PathBuf>,
    /// Where the report goes
    #[arg(long)]
    report: PathBuf,
    /// Where the chart goes
    #[arg(long)]
    chart: PathBuf,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let report = Report {
        counted: Figures::read(&options.counted)?,
        timed: Figures::read(&options.timed)?,
    };
    let earlier = options.compare.as_deref().map(Report::read).transpose()?;
    report.write(&options.report)?;
    chart::draw(&report.counted, &options.chart)?;
    print!("{}", table::show(&report, earlier.as_ref()));
    Ok(())
}
