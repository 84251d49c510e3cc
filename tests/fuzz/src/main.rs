// SPDX-License-Identifier: GPL-2.0-only

//! The fuzzer: looks for inputs that reach new edges of the module, as root, in a separate guest.
//! The tests define what an input is and what a failure is; LibAFL derives new inputs from those
//! that reached something new. The report is KTAP.

mod finds;
mod player;

use std::fs::{self, File};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Parser;
use libafl::corpus::InMemoryCorpus;
use libafl::events::NopEventManager;
use libafl::feedbacks::{CrashFeedback, MaxMapFeedback};
use libafl::inputs::BytesInput;
use libafl::mutators::{HavocScheduledMutator, Tokens, havoc_mutations, tokens_mutations};
use libafl::observers::OwnedMapObserver;
use libafl::schedulers::QueueScheduler;
use libafl::stages::StdMutationalStage;
use libafl::state::{HasMaxSize, StdState};
use libafl::{Evaluator, Fuzzer, HasMetadata, StdFuzzer};
use libafl_bolts::rands::StdRand;
use libafl_bolts::tuples::{Merge, tuple_list};
use unshare_device::Contexts;
use unshare_tests::fuzz::{CORPUS, Edges, Stage, Trace, inputs, load_again, prepare};

use crate::finds::Finds;
use crate::player::Player;

/// Fuzzes the loaded module.
#[derive(Parser)]
struct Options {
    /// How long to fuzz, in seconds
    #[arg(long)]
    seconds: u64,
    /// The random seed
    #[arg(long)]
    seed: Option<u64>,
    /// The file from which the module was loaded
    #[arg(long, default_value = "/lib/unshare/unshare.ko")]
    module: PathBuf,
    /// Where each input is written before it is played, so that it survives a crash
    #[arg(long)]
    last: PathBuf,
    /// Where the kept inputs go
    #[arg(long)]
    corpus: PathBuf,
}

/// Longer inputs reach nothing that shorter ones do not.
const LONGEST: usize = 256;

/// How many inputs at most are derived from one before the next one's turn.
const TIMES: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");

/// The search ends after this many broken promises.
const ENOUGH: usize = 10;

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        u64::from(now.unwrap_or_default().subsec_nanos())
    });
    println!("KTAP version 1\n1..1\n# SEED={seed}");
    prepare()?;
    let trace = Trace::new()?;
    load_again(&trace)?;
    let edges = Edges::of(&options.module)?;
    let mut finds = Finds::new(&edges, &trace);
    let mut player = Player {
        stage: Stage::new()?,
        trace,
        edges: &edges,
        finds: &mut finds,
        last: File::options().write(true).open(&options.last)?,
        observers: tuple_list!(OwnedMapObserver::new(
            "news",
            vec![0; Finds::places(&edges)]
        )),
        played: 0,
        broken: Vec::new(),
    };
    search(&mut player, seed, Duration::from_secs(options.seconds))?;
    let (played, broken) = (player.played, std::mem::take(&mut player.broken));
    drop(player);

    for line in finds.report().lines() {
        println!("# {line}");
    }
    println!("# Tried:{}", unshare_tests::tried());
    let kept = finds.smallest();
    println!("# {played} inputs were played, and {} are kept", kept.len());
    let mut text = String::from(
        "# Inputs that `make fuzz` found worth keeping, in hexadecimal; `make test` plays them.\n",
    );
    kept.iter().for_each(|input| {
        text.push_str(&hex::encode(input));
        text.push('\n');
    });
    let mut corpus = fs::OpenOptions::new().write(true).open(&options.corpus)?;
    corpus.write_all(text.as_bytes())?;
    for line in broken.iter().flat_map(|broken| broken.lines()) {
        println!("# {line}");
    }
    Ok(match broken.is_empty() {
        true => {
            println!("ok 1 fuzz");
            ExitCode::SUCCESS
        }
        false => {
            println!("not ok 1 fuzz");
            ExitCode::FAILURE
        }
    })
}

/// Plays inputs and those derived from them until the time is over or the module cannot be used any
/// more.
fn search(player: &mut Player<'_>, seed: u64, time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    let mut feedback = MaxMapFeedback::new(&player.observers.0);
    let mut objective = CrashFeedback::new();
    let mut state = StdState::new(
        StdRand::with_seed(seed),
        InMemoryCorpus::<BytesInput>::new(),
        InMemoryCorpus::new(),
        &mut feedback,
        &mut objective,
    )?;
    state.set_max_size(LONGEST);
    let mut tokens = Tokens::new();
    for context in Contexts::all().each() {
        tokens.add_token(&context.bits().to_le_bytes().to_vec());
    }
    state.add_metadata(tokens);
    let mut manager = NopEventManager::new();
    let mut fuzzer = StdFuzzer::new(QueueScheduler::new(), feedback, objective);
    for input in inputs(CORPUS)? {
        fuzzer.evaluate_input(&mut state, player, &mut manager, &BytesInput::new(input))?;
    }
    let mutator = HavocScheduledMutator::new(havoc_mutations().merge(tokens_mutations()));
    let mut stages = tuple_list!(StdMutationalStage::with_max_iterations(mutator, TIMES));
    while Instant::now() < end && player.broken.len() < ENOUGH {
        fuzzer.fuzz_one(&mut stages, player, &mut state, &mut manager)?;
    }
    Ok(())
}
