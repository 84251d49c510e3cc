// SPDX-License-Identifier: GPL-2.0-only

//! The measurements of a guest, in the format in which the host reads them.

mod cost;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub use cost::Cost;

/// A whole benchmark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Measured on the machine whose clock counts instructions.
    pub counted: Figures,
    /// Measured on the machine with the host's clock.
    pub timed: Figures,
}

/// The measurements of one guest.
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
    /// The request's name.
    pub name: String,
    /// Its point on a curve, if it is on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
    /// The module's cost.
    pub ours: Cost,
    /// The cost of system calls.
    pub others: Vec<Other>,
}

/// The place of a request among requests of different sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The name of the curve.
    pub curve: String,
    /// What is counted.
    pub of: String,
    /// How many of them there are.
    pub size: u64,
}

/// The same request without the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Other {
    /// The calls.
    pub name: String,
    /// Their cost.
    pub cost: Cost,
}

impl Figures {
    /// Reads what a guest wrote.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or parsed.
    pub fn read(path: &Path) -> Result<Self> {
        read(path)
    }

    /// Returns the request of that name.
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
    /// Fails if the file cannot be read or parsed.
    pub fn read(path: &Path) -> Result<Self> {
        read(path)
    }

    /// Writes the report to a file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
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
