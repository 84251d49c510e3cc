// SPDX-License-Identifier: GPL-2.0-only

//! What runs inside the booted kernel to prove unshare.ko. Each suite is about one subject; each
//! test is one promise and runs in a process of its own.

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
mod sharer;
mod situations;
mod slab;
mod spec2006;
mod storm;
mod swap;
mod tally;
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

/// Proves the unshare module in a running kernel, as root, and reports in KTAP.
#[derive(Parser)]
struct Options {
    /// Only tests whose "suite: name" contains this
    #[arg(default_value = "")]
    filter: String,
    /// Only those that take long or two processors, or only the others
    #[arg(long)]
    pace: Option<Pace>,
    /// Name the tests instead of running them
    #[arg(long)]
    list: bool,
    /// As many rounds as a proof takes, instead of those that are worth it every time
    #[arg(long)]
    full: bool,
    /// On a kernel that checks everything, a fifth of the tests, drawn by lot
    #[arg(long, conflicts_with = "full")]
    fifth: bool,
    /// Measure requests instead of testing them, and write what they cost as JSON
    #[arg(long)]
    bench: Option<Measure>,
    /// Where tests begin that throw dice; each says where it did
    #[arg(long)]
    seed: Option<u64>,
    /// Change to this directory and stay there: a test executes this program with set-user-ID
    #[arg(long, hide = true)]
    stay_in: Option<PathBuf>,
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
        samples::unshare_run::suite(),
        samples::attach::suite(),
        samples::scratch_copy::suite(),
        samples::suite(),
        samples::c::suite(),
        bench::guard::suite(),
        lifetime::suite(),
        hardening::suite(),
        bare::suite(),
    ]
}

/// What was tried so far, by all processes of the tests: ` name:count` of each.
pub fn tried() -> String {
    tally::report()
}

/// Runs what the command line asks for.
///
/// # Errors
///
/// When there is no such test, or the report cannot be written.
pub fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if let Some(directory) = &options.stay_in {
        attach::withdrawn::stay_in(directory)?;
    }
    if let Some(measure) = options.bench {
        bench::run(measure, &options.filter)?;
        return Ok(ExitCode::SUCCESS);
    }
    scale::set(options.full, options.fifth, options.seed);
    let suites = suites()
        .into_iter()
        .map(|suite| suite.filter(&options.filter, options.pace));
    let suites: Vec<_> = match options.filter.is_empty() {
        true => suites.map(Suite::draw).filter(Suite::has_tests).collect(),
        false => suites.filter(Suite::has_tests).collect(),
    };
    if options.list {
        for suite in &suites {
            for test in &suite.tests {
                println!("{}", test.title(suite.name));
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::ensure!(!suites.is_empty(), "no test is named {:?}", options.filter);
    let totals = harness::run(&suites)?;
    Ok(match totals.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
