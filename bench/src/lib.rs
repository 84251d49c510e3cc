// SPDX-License-Identifier: GPL-2.0-only

//! What a guest measures of requests, as it leaves it for the host.

mod cost;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub use cost::Cost;

/// All of a benchmark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// On a machine whose clock counts instructions.
    pub counted: Figures,
    /// On one whose clock is the host's.
    pub timed: Figures,
}

/// What one guest measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// The release of its kernel.
    pub kernel: String,
    /// Each request, in the order of the table.
    pub requests: Vec<Request>,
}

/// One request, made in several ways.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// What it asks for.
    pub name: String,
    /// Its point on a curve, if it is on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
    /// What the module takes for it.
    pub ours: Cost,
    /// What system calls take.
    pub others: Vec<Other>,
}

/// A request that is one of several of different size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// What they have in common.
    pub curve: String,
    /// What is counted.
    pub of: String,
    /// How many of them there are.
    pub size: u64,
}

/// The same thing without the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Other {
    /// By which calls.
    pub name: String,
    /// And for how much.
    pub cost: Cost,
}

impl Figures {
    /// Reads what a guest wrote.
    ///
    /// # Errors
    ///
    /// Those of reading, and of parsing.
    pub fn read(path: &Path) -> Result<Self> {
        read(path)
    }

    /// The request of that name.
    #[must_use]
    pub fn request(&self, name: &str) -> Option<&Request> {
        self.requests.iter().find(|request| request.name == name)
    }
}

impl Report {
    /// Reads what [`Report::write`] wrote.
    ///
    /// # Errors
    ///
    /// Those of reading, and of parsing.
    pub fn read(path: &Path) -> Result<Self> {
        read(path)
    }

    /// Writes it down.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| path.display().to_string())
    }
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let name = || path.display().to_string();
    let text = fs::read_to_string(path).with_context(name)?;
    serde_json::from_str(&text).with_context(name)
}
