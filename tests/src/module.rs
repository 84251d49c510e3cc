// SPDX-License-Identifier: GPL-2.0-only

//! Loading and unloading the module.

use std::ffi::CString;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::system::{delete_module, finit_module, init_module};

/// The folder in which the harness puts the module and its variants.
const FOLDER: &str = "/lib/unshare";

/// Loads a variant; `unshare` is the module itself.
pub(crate) fn load(variant: &str, parameters: &str) -> Result<Result<(), Errno>> {
    let file = File::open(path_of(variant)).with_context(|| absent(variant))?;
    Ok(finit_module(&file, &CString::new(parameters)?, 0))
}

/// Returns the contents of a variant's file.
pub(crate) fn image(variant: &str) -> Result<Vec<u8>> {
    fs::read(path_of(variant)).with_context(|| absent(variant))
}

/// Loads an image, which may be invalid.
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

/// Returns the kernel's count of users.
pub(crate) fn users() -> Result<usize> {
    let count = fs::read_to_string("/sys/module/unshare/refcnt")?;
    Ok(count.trim().parse()?)
}

/// Keeps the module unloaded, and loads it again when dropped.
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
