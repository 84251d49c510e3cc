// SPDX-License-Identifier: GPL-2.0-only

//! What the commands have in common: opening the device, explaining a refusal, attaching to a
//! task, and running a command.

mod advice;
mod command;
mod credentials;
mod supervise;
mod target;

pub use advice::{explain, open_device};
pub use command::{command, exec, exec_failed, finish};
pub use credentials::RootOfNamespace;
pub use supervise::{Fork, Supervised, fork};
pub use target::{Target, parse_pid};
