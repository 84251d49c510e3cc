// SPDX-License-Identifier: GPL-2.0-only

use std::fs;

use anyhow::{Context, Result};

/// A limit under `/proc/sys`, changed for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Limit {
    path: &'static str,
    before: String,
}

impl Limit {
    pub(crate) fn set(path: &'static str, value: u32) -> Result<Self> {
        let before = fs::read_to_string(path).context(path)?;
        fs::write(path, value.to_string()).context(path)?;
        Ok(Self { path, before })
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Err(error) = fs::write(self.path, &self.before) {
            eprintln!("demo: {}: was {}: {error}", self.path, self.before.trim());
        }
    }
}
