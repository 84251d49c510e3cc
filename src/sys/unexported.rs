// SPDX-License-Identifier: GPL-2.0

//! At load: looks up what the kernel does not export.

use kernel::{
    error::to_result,
    prelude::*,
    str::CStr, //
};

use super::bindings::{
    unshare_find_kallsyms,
    unshare_kernel_release,
    unshare_resolve,
    unshare_unexported,
    unshare_unexported_count, //
};
use crate::contexts::Contexts;

/// Looks up each function and variable in the list of `c/unexported.h`, and logs each missing one.
///
/// Returns the contexts that need a missing one. Fails with the errors of
/// `unshare_find_kallsyms()`.
pub(crate) fn resolve() -> Result<Contexts> {
    // SAFETY: Called during the module's initialization, before any of these functions is called.
    to_result(unsafe { unshare_find_kallsyms() }).inspect_err(|errno| {
        pr_err!(
            "the kernel lacks kallsyms_lookup_name or CONFIG_KPROBES=y ({:?})\n",
            errno
        )
    })?;

    let mut lacking = Contexts::empty();
    // SAFETY: The two describe one constant array.
    let functions = unsafe {
        core::slice::from_raw_parts(
            (&raw const unshare_unexported).cast::<unshare_unexported>(),
            unshare_unexported_count,
        )
    };
    for function in functions {
        // SAFETY: `function` is an entry of the list, and nothing calls these functions yet.
        if !unsafe { unshare_resolve(function) } {
            let contexts = Contexts::from_bits(function.contexts);
            // SAFETY: The name is a string literal.
            let name = unsafe { CStr::from_char_ptr(function.name) };
            pr_err!("the kernel lacks {}: no {}\n", name.to_str()?, contexts);
            lacking |= contexts;
        }
    }
    Ok(lacking)
}

/// Returns the release of the running kernel, as `uname -r` prints it.
pub(crate) fn release() -> &'static CStr {
    // SAFETY: The release of the initial UTS namespace is terminated by NUL and never changes.
    unsafe { CStr::from_char_ptr(unshare_kernel_release()) }
}
