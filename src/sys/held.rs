// SPDX-License-Identifier: GPL-2.0

//! Held contexts: the descriptor, and the tasks that are inside one.
//!
//! ```text
//! file.rs      the descriptor: an anonymous inode that owns a `Held`
//!    |
//! entries.rs   of all tasks that are inside
//!    |
//! entry.rs     what a task has for its way back
//!    |
//! ending.rs    probes: an entry ends with its task, and with the program that made it
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
