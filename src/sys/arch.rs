// SPDX-License-Identifier: GPL-2.0

//! What each architecture hangs on an address space, and where a copy has it from, as in
//! `sys/mm/fields.rs`; and how a processor moves to another one.

#[cfg(CONFIG_ARM64)]
mod arm64;
#[cfg(CONFIG_X86_64)]
mod x86;

#[cfg(CONFIG_ARM64)]
pub(super) use arm64::*;
#[cfg(CONFIG_X86_64)]
pub(super) use x86::*;
