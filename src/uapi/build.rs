// SPDX-License-Identifier: GPL-2.0-only

//! Makes the Rust bindings of `unshare.h`.

use std::env;
use std::error::Error;
use std::path::PathBuf;

use bindgen::callbacks::{IntKind, ParseCallbacks};

/// Makes the `CLONE_*` bits `u64`, as the fields that have them.
#[derive(Debug)]
struct ContextsAreU64;

impl ParseCallbacks for ContextsAreU64 {
    fn int_macro(&self, name: &str, _value: i64) -> Option<IntKind> {
        name.starts_with("CLONE_").then_some(IntKind::U64)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);

    println!("cargo::rerun-if-changed=unshare.h");
    println!("cargo::rerun-if-changed=build.rs");

    bindgen::builder()
        .header("unshare.h")
        .allowlist_type("unshare_(args|query)")
        .allowlist_var("(UNSHARE|CLONE)_.*")
        .blocklist_item("CLONE_ARGS_.*")
        .use_core()
        .generate_cstr(true)
        .derive_default(true)
        .derive_eq(true)
        .derive_debug(true)
        // Needed for the ioctl numbers: their macros contain `sizeof`.
        .clang_macro_fallback()
        .clang_macro_fallback_build_dir(&out)
        .parse_callbacks(Box::new(ContextsAreU64))
        .generate()?
        .write_to_file(out.join("raw.rs"))?;
    Ok(())
}
