// SPDX-License-Identifier: GPL-2.0

//! Held contexts: their descriptor, and the tasks that have entered one.
//!
//! ```text
//! file.rs      the descriptor: a file on an anonymous inode, which owns a `Held`
//!    |
//! entries.rs   all entries: a task gets one each time it enters
//!    |
//! entry.rs     one entry: what a task needs to leave again
//!    |
//! ending.rs    drops the entries of a task when it exits or executes a program
//! ```

mod ending;
mod entries;
mod entry;
mod file;

pub(crate) use self::{
    entries::Entries,
    entry::Entry,
    file::into_file, //
};
