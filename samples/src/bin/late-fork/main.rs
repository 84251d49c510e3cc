// SPDX-License-Identifier: GPL-2.0-only

//! What children cost that begin as vfork's and become fork's only when they need it.

mod borrower;
mod heap;
mod options;
mod parent;
mod program;
mod times;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use unshare_device::Contexts;
use unshare_samples::{finish, open_device};

use crate::options::Options;
use crate::parent::{Job, Parent};
use crate::times::Times;

fn main() -> ExitCode {
    let options = Options::parse();
    if options.nothing {
        return ExitCode::SUCCESS;
    }
    finish("late-fork", run(&options))
}

fn run(options: &Options) -> Result<()> {
    let device = open_device()?;
    ensure!(
        device.query()?.contexts.contains(Contexts::VM),
        "this kernel cannot unshare CLONE_VM"
    );
    let parent = Parent::new(device, options.mib, options.write)?;
    let rounds = options.rounds;

    let (mib, write) = (options.mib, options.write);
    println!(
        "A parent that wrote to {mib} MiB, and its children; medians of {rounds} rounds, in µs.\n"
    );
    println!(
        "{:<40}  {:>14}  {:>13}",
        "", "parent goes on", "child is gone"
    );
    let row = |label: &str, times: Times| {
        let (goes_on, gone) = (times.goes_on.as_micros(), times.gone.as_micros());
        println!("{label:<40}  {goes_on:>14}  {gone:>13}");
    };
    let fork = |job| Times::take(rounds, || parent.fork(job));
    let late = |job| Times::take(rounds, || parent.late_fork(job));

    let forked = fork(Job::Nothing)?;
    row("fork, exit", forked);
    row("vfork, exit", Times::take(rounds, || parent.vfork())?);
    let untaken = late(Job::Nothing)?;
    row("late fork, not needed: exit", untaken);
    row("fork, exec", fork(Job::Program)?);
    row("late fork, not needed: exec", late(Job::Program)?);
    let forked_work = fork(Job::Work)?;
    row(&format!("fork, write {write} MiB, exit"), forked_work);
    let taken = late(Job::Work)?;
    row(
        &format!("late fork, needed: write {write} MiB, exit"),
        taken,
    );

    parent.check()?;
    println!(
        "\nWhat a child wrote before it left was in the parent's memory; what it wrote after was not."
    );
    verdict(forked, untaken, forked_work, taken);
    Ok(())
}

/// Says for which mix of children this is faster, by the time until a child has ended.
fn verdict(forked: Times, untaken: Times, forked_work: Times, taken: Times) {
    let saved = forked.gone.as_secs_f64() - untaken.gone.as_secs_f64();
    let lost = taken.gone.as_secs_f64() - forked_work.gone.as_secs_f64();
    // If a part p of the children needs a copy, this is faster while (1 - p) * saved > p * lost.
    match (saved > 0.0, lost > 0.0) {
        (true, true) => println!(
            "Here a late fork pays as long as fewer than {:.0} of 100 children need a copy.",
            100.0 * saved / (saved + lost)
        ),
        (true, false) => println!("Here a late fork pays whether children need a copy or not."),
        (false, _) => println!("Here it does not pay: there is too little to copy (--mib)."),
    }
}
