// SPDX-License-Identifier: GPL-2.0-only

//! What the sample programs have in common: starting tasks that share memory, and what the
//! installed commands have, too.

mod clone;
mod stack;

pub use clone::{Task, clone_vm, vfork};
pub use stack::Stack;
pub use unshare_tools::{command, exec, explain, finish, open_device};
