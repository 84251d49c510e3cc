// SPDX-License-Identifier: GPL-2.0

//! What each architecture hangs on an address space, and where a copy has it from: as in
//! [`super::mm_fields`].

#[cfg(CONFIG_ARM64)]
mod arm64;
#[cfg(CONFIG_X86_64)]
mod x86;
