// SPDX-License-Identifier: GPL-2.0-only

//! What the commands have in common: opening the device, explaining a refusal, attaching to a
//! task, and running a command.

mod advice;
mod command;
mod credentials;
mod inherited;
mod seclusion;
mod supervise;
mod target;
mod terminal;

pub use advice::{Refusal, explain, open_device};
pub use clap_complete::Shell;
pub use command::{FAILED, command, exec, exec_failed, finish, parse, print_completions};
pub use credentials::Credentials;
pub use inherited::{reset_sigchld, restore_sigpipe};
pub use seclusion::{close_inherited, seclude, set_dumpable};
pub use supervise::{Fork, Parent, Supervised, fork};
pub use target::{Target, parse_pid};
pub use terminal::Terminal;
