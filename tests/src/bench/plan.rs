// SPDX-License-Identifier: GPL-2.0-only

//! A request, and how to measure it.

use anyhow::{Context, Result};
use rustix::io::Errno;
use unshare_bench::{Cost, Other, Point, Request};

use super::clock::{self, Clock};
use super::scene::settle;
use crate::child::in_child;

/// One way to make a request. Each call makes and measures it once.
pub(super) type Way = Box<dyn Fn() -> Result<u64>>;

pub(super) struct Plan {
    pub(super) name: String,
    point: Option<Point>,
    ours: Way,
    others: Vec<(&'static str, Way)>,
}

/// Measures `call` in a separate child, after the child has set the scene.
pub(super) fn way<S>(
    scene: impl Fn() -> Result<S> + 'static,
    call: impl Fn(&mut S) -> Result<(), Errno> + 'static,
) -> Way {
    Box::new(move || {
        let cost = in_child(|| {
            let mut scene = scene()?;
            let clock = Clock::new();
            settle()?;
            let nothing = clock::count(|| ()).0;
            let (cost, result) = clock::count(|| call(&mut scene));
            result?;
            Ok(clock.nanoseconds(cost.saturating_sub(nothing)).to_string())
        })?;
        Ok(cost.parse()?)
    })
}

impl Plan {
    pub(super) fn new(name: impl Into<String>, ours: Way) -> Self {
        Self {
            name: name.into(),
            point: None,
            ours,
            others: Vec::new(),
        }
    }

    /// Adds a way to compare it with.
    pub(super) fn against(mut self, name: &'static str, other: Way) -> Self {
        self.others.push((name, other));
        self
    }

    /// Makes it a point of a curve.
    pub(super) fn at(mut self, curve: &str, of: &str, size: usize) -> Self {
        self.point = Some(Point {
            curve: curve.to_owned(),
            of: of.to_owned(),
            size: size as u64,
        });
        self
    }

    pub(super) fn measure(&self, runs: usize) -> Result<Request> {
        let others = self.others.iter().map(|(name, way)| {
            let cost = self.cost(name, way, runs)?;
            let name = (*name).to_owned();
            Ok(Other { name, cost })
        });
        Ok(Request {
            name: self.name.clone(),
            point: self.point.clone(),
            ours: self.ours(runs)?,
            others: others.collect::<Result<_>>()?,
        })
    }

    /// Measures only the module's way.
    pub(super) fn ours(&self, runs: usize) -> Result<Cost> {
        self.cost("the module", &self.ours, runs)
    }

    fn cost(&self, name: &str, way: &Way, runs: usize) -> Result<Cost> {
        let run = || way().with_context(|| format!("{}, by {name}", self.name));
        let first = run()?;
        let runs = (0..runs).map(|_| run()).collect::<Result<_>>()?;
        Cost::new(first, runs).context("no runs")
    }
}
