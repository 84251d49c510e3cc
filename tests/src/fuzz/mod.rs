// SPDX-License-Identifier: GPL-2.0-only

//! Inputs of the fuzzer: any bytes are a scene in which a task makes calls, and each call is
//! checked afterwards. `make fuzz` looks for inputs that reach new edges; those that it found are
//! played here.

mod call;
mod edges;
mod ground;
mod play;
mod scene;
mod verdict;

use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::{getpid, set_child_subreaper};

pub use self::edges::{Edges, Trace};
use crate::check::ensure;
use crate::child::in_child;
use crate::harness::{self, Suite};
use crate::injection::{FAIL_NTH, Injection};
use crate::machine::{Machine, Setting};
use crate::module;
use crate::scale::{limit, some};

/// The inputs that were kept, in hexadecimal, one a line.
pub const CORPUS: &str = include_str!("../../corpus");

/// Prepares the machine. Must be called once, before the first [`Stage`].
///
/// # Errors
///
/// Fails if the machine lacks what the fuzzer needs.
pub fn prepare() -> Result<()> {
    harness::prepare()
}

/// Loads the module again, and records the edges of loading.
///
/// # Errors
///
/// Fails if the module is in use.
pub fn load_again(trace: &Trace) -> Result<()> {
    module::unload()?;
    in_child(|| {
        trace.begin()?;
        module::load("unshare", "")??;
        Ok(String::new())
    })
    .map(drop)
}

/// Parses a text in the format of [`CORPUS`].
///
/// # Errors
///
/// Fails if an input is not hexadecimal.
pub fn inputs(text: &str) -> Result<Vec<Vec<u8>>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| hex::decode(line).with_context(|| line.to_owned()))
        .collect()
}

pub(crate) fn suite() -> Suite {
    Suite::new("fuzz").slow(
        "every input of tests/corpus keeps all promises",
        limit(),
        replay,
    )
}

fn replay() -> Result<()> {
    let stage = Stage::new()?;
    let inputs = some(
        "every input of tests/corpus keeps all promises",
        12,
        inputs(CORPUS)?,
    );
    ensure!(!inputs.is_empty(), "nothing was found");
    for input in inputs {
        stage
            .play(&input, None)
            .with_context(|| hex::encode(&input))?;
    }
    Ok(())
}

/// A machine on which inputs can be played.
pub struct Stage {
    machine: Machine,
    _failures: Vec<Setting>,
}

impl Stage {
    /// # Errors
    ///
    /// Fails if the machine cannot be prepared.
    pub fn new() -> Result<Self> {
        // The children of killed tasks become children of this process.
        set_child_subreaper(Some(getpid()))?;
        let machine = Machine::save()?;
        let failures = match Path::new(FAIL_NTH).exists() {
            true => Injection::settings()?,
            false => Vec::new(),
        };
        Ok(Self {
            machine,
            _failures: failures,
        })
    }

    /// Plays an input, and returns the outcome of each of its calls. The same outcomes have the
    /// same words.
    ///
    /// # Errors
    ///
    /// Fails if a promise is broken, for example if a failed call has changed something.
    pub fn play(&self, input: &[u8], trace: Option<&Trace>) -> Result<String> {
        let outcome = play::play(input, trace);
        // A killed task has restored nothing.
        self.machine.restore()?;
        outcome
    }
}
