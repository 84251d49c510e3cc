// SPDX-License-Identifier: GPL-2.0-only

//! What the sample programs have in common: opening the device with a helpful word when that fails,
//! and running a command.

mod advice;
mod command;
mod supervise;

pub use advice::{explain, open_device};
pub use command::{EXIT_FAILURE, exec, exec_failed};
pub use supervise::{Fork, Supervised, fork};
