// SPDX-License-Identifier: GPL-2.0-only

//! Runs all programs of a folder in each way, and compares.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::{getpid, set_child_subreaper};

use crate::outcome::{Line, Outcome};
use crate::program::{How, programs, run};
use crate::tally::Tally;

/// A folder of programs.
pub(crate) struct Suite {
    folder: PathBuf,
    programs: Vec<PathBuf>,
    limit: Duration,
}

/// Why two results differ.
enum Reason {
    /// Two runs of the program in the same way differ, too.
    Unsteady,
    /// It is so under a tracer that turns nothing, too.
    Traced,
    /// The request does not do what the call does.
    Request,
}

#[derive(Default)]
struct Counts {
    results: usize,
    unsteady: usize,
    traced: usize,
    differ: usize,
}

impl Suite {
    /// # Errors
    ///
    /// When the folder has no programs.
    pub(crate) fn of(folder: &Path, limit: Duration) -> Result<Self> {
        let folder = folder.canonicalize()?;
        let programs = programs(&folder)?;
        ensure!(!programs.is_empty(), "{}: no programs", folder.display());
        Ok(Self {
            folder,
            programs,
            limit,
        })
    }

    /// Runs them all, prints what differs, and returns whether no difference is due to the requests.
    pub(crate) fn run(&self) -> Result<bool> {
        // What a program leaves behind is ended before the next one starts.
        set_child_subreaper(Some(getpid()))?;
        let mut counts = Counts::default();
        let mut tally = Tally::default();
        for program in &self.programs {
            self.compare(program, &mut counts, &mut tally)?;
        }
        print!("{tally}");
        println!(
            "{} programs, {} results: {} differ, {} differ under a tracer that turns nothing, \
             {} differ from run to run",
            self.programs.len(),
            counts.results,
            counts.differ,
            counts.traced,
            counts.unsteady
        );
        if tally.all_turned() == 0 {
            println!("no call became a request: nothing was compared");
        }
        Ok(counts.differ == 0 && tally.all_turned() > 0)
    }

    fn compare(&self, program: &Path, counts: &mut Counts, tally: &mut Tally) -> Result<()> {
        let name = program.strip_prefix(&self.folder)?.display().to_string();
        let (plain, _) = run(program, How::Plain, self.limit)?;
        let (turned, turns) = run(program, How::Turned, self.limit)?;
        tally.add(&turns);
        let all = plain.count(&turned);
        counts.results += all;
        let different: Vec<_> = (0..all)
            .filter(|place| plain.at(*place, all).verdict != turned.at(*place, all).verdict)
            .collect();
        println!(
            "{name}: {all} results, {} calls turned into requests, {} differ",
            turns.all_turned(),
            different.len()
        );
        if different.is_empty() {
            return Ok(());
        }
        // What explains a difference is tried only where there is one.
        let (again, _) = run(program, How::Plain, self.limit)?;
        let (once_more, _) = run(program, How::Turned, self.limit)?;
        let (watched, _) = run(program, How::Watched, self.limit)?;
        let mut shown = false;
        for place in different {
            let [was, is] = [plain.at(place, all), turned.at(place, all)];
            let title = if was.name.is_empty() {
                &is.name
            } else {
                &was.name
            };
            let reason = reason(&is, place, all, [&plain, &again, &watched, &once_more]);
            let word = match reason {
                Reason::Unsteady => {
                    counts.unsteady += 1;
                    "from run to run"
                }
                Reason::Traced => {
                    counts.traced += 1;
                    "under a tracer that turns nothing, too"
                }
                Reason::Request => {
                    counts.differ += 1;
                    shown = true;
                    "DIFFERS"
                }
            };
            println!("  {title}: {was}, as requests: {is} ({word})");
        }
        if shown {
            println!("  The program as it is:");
            show(&plain);
            println!("  With its calls turned into requests:");
            show(&turned);
        }
        Ok(())
    }
}

fn reason(
    is: &Line,
    place: usize,
    all: usize,
    [plain, again, watched, once_more]: [&Outcome; 4],
) -> Reason {
    let verdict = |outcome: &Outcome| outcome.at(place, all).verdict;
    if verdict(plain) != verdict(again) || verdict(once_more) != is.verdict {
        Reason::Unsteady
    } else if verdict(watched) == is.verdict {
        Reason::Traced
    } else {
        Reason::Request
    }
}

/// The last of what a program said.
fn show(outcome: &Outcome) {
    const MOST: usize = 60;
    let lines: Vec<_> = outcome.said.lines().collect();
    for line in &lines[lines.len().saturating_sub(MOST)..] {
        println!("  | {line}");
    }
}
