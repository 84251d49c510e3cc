// SPDX-License-Identifier: GPL-2.0-only

use std::cell::Cell;

use anyhow::{Result, ensure};
use unshare_device::{Contexts, Device, Request};

use crate::borrower::Borrower;
use crate::table;
use crate::view::View;
use crate::witness::Witness;

/// The task that leaves, and what it leaves with.
#[derive(Debug)]
pub(crate) struct Stage {
    device: Device,
    witness: Witness,
    steps: Cell<u32>,
}

/// What the task shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sharing {
    /// With any task, as the module says.
    told: Contexts,
    /// With the witness, as kcmp and /proc say.
    seen: Contexts,
}

impl Sharing {
    fn without(self, contexts: Contexts) -> Self {
        Self {
            told: self.told - contexts,
            seen: self.seen - contexts,
        }
    }
}

impl Stage {
    pub(crate) fn new(device: Device, witness: Witness) -> Self {
        Self {
            device,
            witness,
            steps: Cell::new(0),
        }
    }

    /// Makes a request, shows what came of it, and checks that it is what was expected.
    pub(crate) fn step(
        &self,
        title: &str,
        request: &Request<'_>,
        asked: Contexts,
        expected: unshare_device::Result<Contexts>,
    ) -> Result<()> {
        let before = self.sharing()?;
        // SAFETY: This program has one thread, and nobody owns a descriptor in the close range.
        let outcome = unsafe { self.device.commit(request) };
        let after = self.sharing()?;

        self.title(title);
        let replaced = outcome.unwrap_or(Contexts::empty());
        let is_dry_run = request.is_dry_run();
        let label = match is_dry_run {
            true => "would replace",
            false => "replaced",
        };
        let rows = [
            ("shared before", before.told),
            ("asked for", asked),
            (label, replaced),
            ("shared now", after.told),
        ];
        table::marks(&rows);
        if let Err(error) = outcome {
            println!("\n   {error}. Nothing has changed.");
        }

        ensure!(outcome == expected, "expected {expected:?}");
        let gone = if is_dry_run {
            Contexts::empty()
        } else {
            replaced
        };
        let wanted = before.without(gone);
        ensure!(after == wanted, "sharing is {after:?}, not {wanted:?}");
        ensure!(
            after.told.contains(after.seen),
            "the module overlooks {}",
            after.seen - after.told
        );
        Ok(())
    }

    /// Has a child with the task's memory and signal handlers leave both, and shows it.
    pub(crate) fn own_memory(&self, title: &str) -> Result<()> {
        let ([at_commit, at_end], borrower) = Borrower::run(&self.device)?;
        self.title(title);
        let asked = Contexts::VM | Contexts::SIGHAND;
        let [told_before, told_after] = borrower.told;
        let rows = [
            ("shared before", told_before & table::all()),
            ("asked for", asked),
            ("replaced", borrower.replaced),
            ("shared now", told_after & table::all()),
        ];
        table::marks(&rows);
        println!("\n   The child writes to a variable of the task, before it leaves and after:\n");
        let read = [at_commit, at_end];
        table::values(&[("child writes", borrower.wrote), ("task reads", read)]);

        ensure!(borrower.replaced == asked, "expected {asked}");
        ensure!(told_before.contains(asked), "shared before: {told_before}");
        let wanted = told_before - asked;
        ensure!(
            told_after == wanted,
            "sharing is {told_after}, not {wanted}"
        );
        let seen = [asked, Contexts::empty()];
        ensure!(borrower.seen == seen, "kcmp says {:?}", borrower.seen);
        let [before, _] = borrower.wrote;
        ensure!(read == [before; 2], "the task reads {read:?}");
        Ok(())
    }

    fn title(&self, title: &str) {
        let step = self.steps.get() + 1;
        self.steps.set(step);
        println!("\n{step}. {title}\n");
    }

    /// Shows what `command` changed for this task, and what the witness sees of it.
    pub(crate) fn compare(&self, command: &str) -> Result<(View, View)> {
        let (own, witness) = (View::own()?, self.witness.view()?);
        println!("\n   $ {command}");
        table::views(&[("here", &own), ("witness", &witness)]);
        Ok((own, witness))
    }

    fn sharing(&self) -> Result<Sharing> {
        Ok(Sharing {
            told: self.device.query()?.shared & table::all(),
            seen: self.witness.shared()?,
        })
    }
}
