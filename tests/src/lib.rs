// SPDX-License-Identifier: GPL-2.0-only

//! The tests of unshare.ko, which run inside a booted kernel. Each suite is about one subject. Each test
//! checks one promise, in a process of its own.

#![recursion_limit = "512"] // `ensure!` takes a condition token by token.

mod abi;
mod abi32;
mod abi_memory;
mod atomicity;
mod attach;
mod backend;
mod bare;
mod barrier;
mod bench;
mod cgroup;
mod check;
mod child;
mod combinations;
mod conditions;
mod contention;
mod contexts;
mod counts;
mod device;
mod differences;
mod differential;
mod dry_run;
mod everything;
mod faults;
pub mod fuzz;
mod hardening;
mod harness;
mod held;
mod injection;
mod kmsg;
mod ktap;
mod lifetime;
mod local;
mod machine;
mod mailbox;
mod memory;
mod module;
mod oracle;
mod perf;
mod query;
mod questions;
mod race;
mod regressions;
mod ring;
mod rseq;
mod samples;
mod scale;
mod selection;
mod sharer;
mod situations;
mod slab;
mod spec2006;
mod storm;
mod swap;
mod tally;
mod tools;
mod twin;
mod unprivileged;
mod userfaultfd;
mod vfork;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::bench::Measure;
use crate::harness::{Pace, Suite};
use crate::selection::Selection;

/// Proves the unshare module in a running kernel, as root, and reports in KTAP.
#[derive(Parser)]
struct Options {
    /// Only this suite, only the test "suite: name", or all tests that begin like this
    #[arg(default_value = "")]
    name: String,
    /// Only tests for this kind of machine [default: usual and slow]
    #[arg(long)]
    pace: Option<Pace>,
    /// Print the names of the tests instead of running them
    #[arg(long)]
    list: bool,
    /// As many rounds of each test as a proof takes (hours)
    #[arg(long)]
    full: bool,
    /// Only a fifth of the tests, drawn at random, on a kernel that checks everything
    #[arg(long, conflicts_with = "full")]
    fifth: bool,
    /// Measure requests instead of testing them, and write what they cost as JSON
    #[arg(long)]
    bench: Option<Measure>,
    /// The seed of tests that use random numbers, as an earlier run printed it
    #[arg(long)]
    seed: Option<u64>,
    /// Print what this program has inherited: the commands execute it
    #[arg(long, hide = true)]
    inherited: bool,
    /// Push this line into the input of the terminal: a command with a terminal executes it
    #[arg(long, hide = true)]
    push: Option<String>,
    /// Change to this directory and stay there: a test executes this program with set-user-ID
    #[arg(long, hide = true)]
    stay_in: Option<PathBuf>,
    /// Say what UNSHARE_IOC_LEAVE says to this descriptor and the next: a test executes this program inside
    #[arg(long, hide = true)]
    leave: Option<i32>,
    /// Say who it is: a test executes this program with set-user-ID
    #[arg(long, hide = true)]
    who: bool,
}

fn suites() -> Vec<Suite> {
    vec![
        contexts::fs::suite(),
        contexts::files::suite(),
        contexts::files_dropped::suite(),
        contexts::close_range::suite(),
        contexts::sysvsem::suite(),
        contexts::mount::suite(),
        contexts::uts::suite(),
        contexts::ipc::suite(),
        contexts::pid::suite(),
        contexts::net::suite(),
        contexts::cgroup::suite(),
        contexts::time::suite(),
        contexts::user::suite(),
        contexts::task::suite(),
        contexts::vm::suite(),
        contexts::vm_request::suite(),
        contexts::vm_fork::suite(),
        contexts::vm_vfork::suite(),
        contexts::vm_futex::suite(),
        contexts::vm_child_tid::suite(),
        contexts::vm_leaving::suite(),
        contexts::vm_accounts::suite(),
        contexts::vm_swap::suite(),
        contexts::vm_oom::suite(),
        contexts::vm_observers::suite(),
        contexts::vm_core::suite(),
        contexts::vm_io::suite(),
        contexts::vm_ring::suite(),
        contexts::vm_dropped::suite(),
        contexts::vm_lost::suite(),
        contexts::vm_uprobes::suite(),
        contexts::vm_stress::suite(),
        contexts::vm_crowd::suite(),
        contexts::vm_killed::suite(),
        contexts::sighand::suite(),
        contexts::signals::suite(),
        held::arguments::suite(),
        held::descriptor::suite(),
        held::entering::suite(),
        held::leaving::suite(),
        held::way_back::suite(),
        held::directories::suite(),
        held::credentials::suite(),
        held::privileges::suite(),
        held::ending::suite(),
        held::execve::suite(),
        held::lifetime::suite(),
        held::filter::suite(),
        #[cfg(target_arch = "x86_64")]
        held::first_task::suite(),
        held::faults::suite(),
        held::stress::suite(),
        held::killed::suite(),
        held::residue::suite(),
        combinations::suite(),
        atomicity::suite(),
        faults::suite(),
        attach::kinds::suite(),
        attach::arguments::suite(),
        attach::directories::suite(),
        attach::effects::suite(),
        attach::permissions::suite(),
        attach::unprivileged::suite(),
        attach::both::suite(),
        attach::inherited::suite(),
        attach::moving::suite(),
        attach::following::suite(),
        attach::withdrawn::suite(),
        attach::network::suite(),
        attach::two_calls::suite(),
        attach::dry_run::suite(),
        attach::differential::suite(),
        attach::order::suite(),
        attach::race::suite(),
        attach::leaks::suite(),
        dry_run::suite(),
        counts::suite(),
        query::suite(),
        local::suite(),
        abi::suite(),
        abi_memory::suite(),
        abi32::suite(),
        spec2006::suite(),
        storm::suite(),
        contention::suite(),
        regressions::suite(),
        fuzz::suite(),
        unprivileged::suite(),
        perf::suite(),
        differential::suite(),
        tools::unshare_run::suite(),
        tools::ids::suite(),
        tools::options::suite(),
        tools::attach::suite(),
        tools::scratch_copy::suite(),
        tools::seclusion::suite(),
        tools::jobs::suite(),
        tools::terminal::suite(),
        tools::conditions::suite(),
        tools::conventions::suite(),
        tools::inherited::suite(),
        tools::left::suite(),
        tools::util_linux::suite(),
        samples::private_tmp::suite(),
        samples::suite(),
        samples::c::suite(),
        samples::go::suite(),
        bench::guard::suite(),
        lifetime::suite(),
        hardening::suite(),
        bare::suite(),
    ]
}

/// Returns what all processes of the tests have tried so far: ` name:count` of each.
pub fn tried() -> String {
    tally::report()
}

/// Runs what the command line asks for.
///
/// # Errors
///
/// If no test has the given name, or the report cannot be written.
pub fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if let Some(directory) = &options.stay_in {
        attach::withdrawn::stay_in(directory)?;
    }
    if options.inherited {
        tools::probe::print()?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(line) = &options.push {
        tools::probe::push(line)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(device) = options.leave {
        held::execve::program(device)?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.who {
        held::execve::who();
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(measure) = options.bench {
        bench::run(measure, &options.name, options.list)?;
        return Ok(ExitCode::SUCCESS);
    }
    scale::set(options.full, options.fifth, options.seed);
    let mut suites = suites();
    let selection = {
        let names: Vec<_> = suites.iter().map(|suite| suite.name).collect();
        let titles: Vec<_> = suites.iter().flat_map(Suite::titles).collect();
        Selection::new(&options.name, &names, &titles)?
    };
    for suite in &mut suites {
        suite.keep(&selection);
    }
    if options.pace.is_some() || !options.list {
        suites.iter_mut().for_each(|suite| suite.pace(options.pace));
    }
    if matches!(selection, Selection::All) && !options.list {
        suites = suites.into_iter().map(Suite::draw).collect();
    }
    suites.retain(Suite::has_tests);
    if options.list {
        let titles = suites.iter().flat_map(Suite::titles);
        titles.for_each(|title| println!("{title}"));
        return Ok(ExitCode::SUCCESS);
    }
    let totals = harness::run(&suites)?;
    Ok(match totals.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
