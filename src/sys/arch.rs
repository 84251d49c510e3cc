// SPDX-License-Identifier: GPL-2.0

//! The architecture's part of an address space: which fields of `mm_context_t` a copy carries (as
//! `sys/mm/fields.rs` does for `mm_struct`), and how a CPU switches to another address space.

#[cfg(CONFIG_ARM64)]
mod arm64;
#[cfg(CONFIG_X86_64)]
mod x86;

#[cfg(CONFIG_ARM64)]
pub(super) use arm64::*;
#[cfg(CONFIG_X86_64)]
pub(super) use x86::*;
