// SPDX-License-Identifier: GPL-2.0

//! The declarations of `unshare.h`, `helpers.h` and `unexported.h`, made by bindgen.
//!
//! The kernel's own types are those of [`kernel::bindings`].

#![allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub
)]

use kernel::{
    bindings::*,
    ffi, //
};

include!(env!("UNSHARE_BINDINGS"));
