// SPDX-License-Identifier: GPL-2.0-only

//! Runs other people's tests in a guest with the module: each program of a folder once as it is, and once with each of
//! its calls of unshare(2) and setns(2) turned into a request to `/dev/unshare`. The results have to be the same.

mod namespace;
mod outcome;
mod program;
mod request;
mod stopped;
mod suite;
mod tally;
mod tracer;

use std::fs;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use unshare_device::raw;

use crate::suite::Suite;
use crate::tally::Tally;

/// Runs a folder of static programs twice, and prints which results differ.
#[derive(Parser)]
struct Options {
    /// The folder: every program in it, or below it, is run without arguments, in its own folder
    suite: PathBuf,
    /// How long a program may take, in seconds
    #[arg(long, default_value_t = 120)]
    limit: u64,
    /// Run one program under the tracer, and write the outcomes of its calls here
    #[arg(long, hide = true, requires = "mode")]
    tally: Option<PathBuf>,
    #[arg(long, hide = true)]
    mode: Option<Mode>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Watch,
    Turn,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if let (Some(path), Some(mode)) = (&options.tally, options.mode) {
        let mode = match mode {
            Mode::Watch => tracer::Mode::Watch,
            Mode::Turn => tracer::Mode::Turn,
        };
        let program = options.suite.to_str().context("no UTF-8")?;
        let mut tally = Tally::default();
        let status = tracer::run(program, mode, &mut tally)?;
        fs::write(path, tally.write())?;
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    let path = raw::UNSHARE_DEVICE.to_str()?;
    let device = File::options().read(true).write(true).open(path);
    tracer::leave_open(&device.context(path)?, request::DEVICE)?;
    let suite = Suite::of(&options.suite, Duration::from_secs(options.limit))?;
    Ok(match suite.run()? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
