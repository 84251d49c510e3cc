// SPDX-License-Identifier: GPL-2.0-only

//! What requests cost, and what the system calls cost that do the same.

mod attach;
mod clock;
mod contexts;
mod crowd;
mod files;
pub(crate) mod guard;
mod held;
mod image;
mod memory;
mod mounts;
mod plan;
mod scene;

use std::io;

use anyhow::Result;
use clap::ValueEnum;
use rustix::process::{Pid, Resource, Rlimit, set_child_subreaper, setrlimit};
use unshare_bench::Figures;

use plan::Plan;

use crate::check::ensure;
use crate::selection::Selection;

/// What a clock shows.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Instructions, on a machine whose clock counts them
    Counted,
    /// Time, of a processor that is a real one
    Timed,
    /// Time, of one that is emulated: only what takes two
    Emulated,
}

/// Measures each request whose name is `name` or begins with it, and writes the figures to standard output; or only
/// lists the names.
pub(crate) fn run(measure: Measure, name: &str, list: bool) -> Result<()> {
    let mut plans = match measure {
        Measure::Counted => plans(),
        Measure::Timed => plans().into_iter().chain(crowd::plans()).collect(),
        Measure::Emulated => crowd::plans(),
    };
    let names: Vec<_> = plans.iter().map(|plan| plan.name.clone()).collect();
    match Selection::new(name, &[], &names) {
        Ok(selection) => plans.retain(|plan| selection.has("", &plan.name)),
        // The counting machine measures all but the crowds, and the other machine may have nothing to do.
        Err(error) if measure == Measure::Counted => return Err(error),
        Err(_) => plans.clear(),
    }
    if list {
        plans.iter().for_each(|plan| println!("{}", plan.name));
        return Ok(());
    }
    let runs = match measure {
        Measure::Counted => 5,
        Measure::Timed => 50,
        Measure::Emulated => 20,
    };
    if measure == Measure::Counted {
        ensure!(clock::counts(), "the clock does not count instructions");
    }
    prepare()?;
    let plans = plans.iter();
    let requests = plans
        .map(|plan| plan.measure(runs))
        .collect::<Result<Vec<_>>>()?;
    let kernel = rustix::system::uname();
    let figures = Figures {
        kernel: kernel.release().to_str()?.to_owned(),
        requests,
    };
    Ok(serde_json::to_writer(io::stdout(), &figures)?)
}

/// Raises the limit of descriptors for the largest table, and makes orphans children of this
/// process.
fn prepare() -> Result<()> {
    let many = Rlimit {
        current: Some(1 << 17),
        maximum: Some(1 << 17),
    };
    setrlimit(Resource::Nofile, many)?;
    image::find()?;
    Ok(set_child_subreaper(Pid::from_raw(1))?)
}

/// All requests that one task makes alone.
fn plans() -> Vec<Plan> {
    [
        contexts::plans(),
        files::plans(),
        mounts::plans(),
        memory::plans(),
        attach::plans(),
        held::plans(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
