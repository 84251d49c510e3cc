// SPDX-License-Identifier: GPL-2.0-only

//! What the sample programs have in common: opening the device with a helpful word when that fails,
//! attaching to a task, running a command, and starting tasks that share memory.

mod advice;
mod clone;
mod command;
mod credentials;
mod stack;
mod supervise;
mod target;

pub use advice::{explain, open_device};
pub use clone::{Task, clone_vm, vfork};
pub use command::{command, exec, exec_failed, finish};
pub use credentials::RootOfNamespace;
pub use stack::Stack;
pub use supervise::{Fork, Supervised, fork};
pub use target::{Target, parse_pid};
