// SPDX-License-Identifier: GPL-2.0-only

//! Inputs as a fuzzer makes them: any bytes are a scene in which a task makes calls, each of which is
//! looked at afterwards. `make fuzz` finds inputs that lead to news; what it found is played here.

mod call;
mod edges;
mod ground;
mod play;
mod scene;
mod verdict;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::process::{getpid, set_child_subreaper};

pub use self::edges::{Edges, Trace};
use crate::child::in_child;
use crate::harness::{self, Suite};
use crate::injection::{FAIL_NTH, Injection};
use crate::machine::{Machine, Setting};
use crate::module;
use crate::scale::{limit, some};

/// The inputs that were worth keeping, in hexadecimal, one a line.
pub const CORPUS: &str = include_str!("../../corpus");

/// Once, before the first [`Stage`].
///
/// # Errors
///
/// When the machine lacks what it takes.
pub fn prepare() -> Result<()> {
    harness::prepare()
}

/// Loads the module again, and records the edges that only that goes along.
///
/// # Errors
///
/// When it is in use.
pub fn load_again(trace: &Trace) -> Result<()> {
    module::unload()?;
    in_child(|| {
        trace.begin()?;
        module::load("unshare", "")??;
        Ok(String::new())
    })
    .map(drop)
}

/// The inputs of a text as [`CORPUS`] is.
///
/// # Errors
///
/// When one is not in hexadecimal.
pub fn inputs(text: &str) -> Result<Vec<Vec<u8>>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| hex::decode(line).with_context(|| line.to_owned()))
        .collect()
}

pub(crate) fn suite() -> Suite {
    Suite::new("fuzz").slow("what was found once", limit(), replay)
}

fn replay() -> Result<()> {
    let stage = Stage::new()?;
    let inputs = some("what was found once", 12, inputs(CORPUS)?);
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
    /// When it cannot be prepared.
    pub fn new() -> Result<Self> {
        // What the killed leave behind comes here.
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

    /// Plays an input, and says what came of each of its calls, in words that are the same for the same.
    ///
    /// # Errors
    ///
    /// When a promise is broken: a call that failed has changed something, say.
    pub fn play(&self, input: &[u8], trace: Option<&Trace>) -> Result<String> {
        let outcome = play::play(input, trace);
        // Who was killed has put nothing back.
        self.machine.restore()?;
        outcome
    }
}
