// SPDX-License-Identifier: GPL-2.0-only

use std::cell::Cell;

use anyhow::{Result, ensure};
use unshare_device::{Contexts, Device, Request};

use crate::borrower::Borrower;
use crate::style::Style;
use crate::table;
use crate::view::View;
use crate::witness::Witness;

/// The calling task, and the witness, with which it shares contexts.
#[derive(Debug)]
pub(crate) struct Stage {
    device: Device,
    witness: Witness,
    scenes: Cell<u32>,
}

/// The contexts that the caller shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sharing {
    /// With any task, as the module reports.
    told: Contexts,
    /// With the witness, as kcmp(2) and `/proc` report.
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
            scenes: Cell::new(0),
        }
    }

    /// Shows what the caller shares before the first scene.
    pub(crate) fn open(&self) -> Result<()> {
        table::legend();
        table::header();
        table::sharing("at first", self.sharing()?.told);
        Ok(())
    }

    /// Begins a scene: the title and the text say what is going to happen, and why it matters.
    pub(crate) fn scene(&self, title: &str, text: &str) {
        let number = self.scenes.get() + 1;
        self.scenes.set(number);
        let title = Style::Title.paint(&format!("{number}. {title}"));
        println!("\n{title}{text}");
    }

    /// Makes a request, shows the result, and checks that it is the expected one.
    pub(crate) fn request(
        &self,
        request: &Request<'_>,
        asked: Contexts,
        expected: unshare_device::Result<Contexts>,
    ) -> Result<()> {
        let before = self.sharing()?;
        // SAFETY: This program has one thread, and nobody owns a descriptor in the close range.
        let outcome = unsafe { self.device.commit(request) };
        let after = self.sharing()?;

        let replaced = outcome.unwrap_or(Contexts::empty());
        table::header();
        table::named("asked for", asked);
        match outcome {
            Ok(_) if request.is_dry_run() => table::named("would replace", replaced),
            Ok(_) => table::named("replaced", replaced),
            Err(error) => table::named("refused", error.context),
        }
        table::sharing("shared now", after.told);
        if let Err(error) = outcome {
            println!("The error: {}", Style::Failed.paint(&error.to_string()));
        }

        ensure!(outcome == expected, "expected {expected:?}");
        let gone = if request.is_dry_run() {
            Contexts::empty()
        } else {
            replaced
        };
        let wanted = before.without(gone);
        ensure!(after == wanted, "sharing is {after:?}, not {wanted:?}");
        ensure!(
            after.told.contains(after.seen),
            "the module does not report that these are shared: {}",
            after.seen - after.told
        );
        Ok(())
    }

    /// Starts a child that borrows the caller's memory and signal handlers and then leaves both, and shows the result.
    pub(crate) fn own_memory(&self) -> Result<()> {
        let ([at_commit, at_end], borrower) = Borrower::run(&self.device)?;
        let asked = Contexts::VM | Contexts::SIGHAND;
        let [told_before, told_after] = borrower.told;
        table::header();
        table::named("asked for", asked);
        table::named("replaced", borrower.replaced);
        table::sharing("child shares", told_after & table::all());
        let read = [at_commit, at_end];
        table::values(&[("child writes", borrower.wrote), ("caller reads", read)]);

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
        ensure!(read == [before; 2], "the caller reads {read:?}");
        Ok(())
    }

    /// Has a descriptor hold new contexts, goes there to do `work`, and comes back. Shows what the caller sees inside and
    /// afterwards.
    pub(crate) fn visit(
        &self,
        contexts: Contexts,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<(View, View)> {
        let before = self.sharing()?;
        let held = self.device.hold(&Request::new().unshare(contexts))?;
        let guard = held.enter()?;
        let seen = work().and_then(|()| Ok((View::own()?, self.sharing()?)));
        guard.leave()?;
        let (inside, shared) = seen?;
        let (back, after) = (View::own()?, self.sharing()?);
        table::header();
        table::named("held", contexts);
        table::sharing("shared inside", shared.told);
        table::views(&[("caller inside", &inside), ("caller back", &back)]);

        let wanted = before.without(contexts | Contexts::FS);
        ensure!(shared == wanted, "inside, {shared:?}, not {wanted:?}");
        ensure!(after == before, "afterwards, {after:?}, not {before:?}");
        Ok((inside, back))
    }

    /// Shows what the caller and the witness see after the caller has changed something.
    pub(crate) fn compare(&self) -> Result<(View, View)> {
        let (own, witness) = (View::own()?, self.witness.view()?);
        table::views(&[("caller sees", &own), ("witness sees", &witness)]);
        Ok((own, witness))
    }

    fn sharing(&self) -> Result<Sharing> {
        Ok(Sharing {
            told: self.device.query()?.shared & table::all(),
            seen: self.witness.shared()?,
        })
    }
}
