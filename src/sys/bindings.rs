// SPDX-License-Identifier: GPL-2.0

//! What bindgen generates from `c/bindings.h`: declarations of `unshare.h` and of this module's C.
//!
//! The types of the kernel come from [`kernel::bindings`].

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
