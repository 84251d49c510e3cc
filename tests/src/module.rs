// SPDX-License-Identifier: GPL-2.0-only

//! The module as something that is loaded and unloaded.

use std::ffi::CString;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::system::{delete_module, finit_module, init_module};

/// Where the harness puts the module, and variants of it that are made to fail.
const FOLDER: &str = "/lib/unshare";

/// Loads a variant: `unshare` is the real one.
pub(crate) fn load(variant: &str, parameters: &str) -> Result<Result<(), Errno>> {
    let file = File::open(path_of(variant)).with_context(|| absent(variant))?;
    Ok(finit_module(&file, &CString::new(parameters)?, 0))
}

/// What is in the file of a variant.
pub(crate) fn image(variant: &str) -> Result<Vec<u8>> {
    fs::read(path_of(variant)).with_context(|| absent(variant))
}

/// Loads what is, perhaps, a module.
pub(crate) fn load_image(image: &[u8]) -> Result<(), Errno> {
    init_module(image, c"")
}

fn path_of(variant: &str) -> String {
    format!("{FOLDER}/{variant}.ko")
}

fn absent(variant: &str) -> String {
    format!("{}: the harness puts it there", path_of(variant))
}

/// Unloads the module unless it is in use.
pub(crate) fn unload() -> Result<(), Errno> {
    delete_module(c"unshare", libc::O_NONBLOCK)
}

pub(crate) fn is_loaded() -> bool {
    Path::new("/sys/module/unshare").exists()
}

/// How many users the kernel counts.
pub(crate) fn users() -> Result<usize> {
    let count = fs::read_to_string("/sys/module/unshare/refcnt")?;
    Ok(count.trim().parse()?)
}

/// The module is unloaded, and comes back when this is dropped.
pub(crate) struct Unloaded;

impl Unloaded {
    pub(crate) fn new() -> Result<Self> {
        unload().context("delete_module")?;
        Ok(Self)
    }
}

impl Drop for Unloaded {
    fn drop(&mut self) {
        if is_loaded() {
            let _ = unload();
        }
        let _ = load("unshare", "");
    }
}
