// SPDX-License-Identifier: GPL-2.0-only

//! The executor: plays an input, and reports to the engine what it reached.

use std::fs::File;
use std::io::Write;

use libafl::Error;
use libafl::executors::{Executor, ExitKind, HasObservers};
use libafl::inputs::{BytesInput, HasTargetBytes};
use libafl::observers::OwnedMapObserver;
use libafl_bolts::tuples::RefIndexable;
use unshare_tests::fuzz::{Edges, Stage, Trace};

use crate::finds::Finds;

type Observers = (OwnedMapObserver<u8>, ());

pub(crate) struct Player<'a> {
    pub(crate) stage: Stage,
    pub(crate) trace: Trace,
    pub(crate) edges: &'a Edges,
    pub(crate) finds: &'a mut Finds,
    pub(crate) last: File,
    pub(crate) observers: Observers,
    pub(crate) played: u64,
    /// The inputs that broke a promise, and how.
    pub(crate) broken: Vec<String>,
}

impl<EM, S, Z> Executor<EM, BytesInput, S, Z> for Player<'_> {
    fn run_target(
        &mut self,
        _fuzzer: &mut Z,
        _state: &mut S,
        _manager: &mut EM,
        input: &BytesInput,
    ) -> Result<ExitKind, Error> {
        let input = input.target_bytes();
        let input: &[u8] = &input;
        writeln!(self.last, "{}", hex::encode(input))?;
        self.played += 1;
        self.trace.clear();
        let said = self.stage.play(input, Some(&self.trace));
        let unknown = |error: anyhow::Error| Error::illegal_state(error.to_string());
        let places = self
            .trace
            .addresses()
            .map(|address| self.edges.place(address));
        let places = places
            .collect::<anyhow::Result<Vec<_>>>()
            .map_err(unknown)?;
        let news = self.observers.0.as_mut();
        match said {
            Ok(said) => {
                self.finds.note(input, &places, &said, news);
                Ok(ExitKind::Ok)
            }
            Err(error) => {
                self.broken
                    .push(format!("{}: {error:#}", hex::encode(input)));
                Ok(ExitKind::Crash)
            }
        }
    }
}

impl HasObservers for Player<'_> {
    type Observers = Observers;

    fn observers(&self) -> RefIndexable<&Observers, Observers> {
        RefIndexable::from(&self.observers)
    }

    fn observers_mut(&mut self) -> RefIndexable<&mut Observers, Observers> {
        RefIndexable::from(&mut self.observers)
    }
}
