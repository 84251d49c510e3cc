// SPDX-License-Identifier: GPL-2.0

//! Load time: is this a kernel that the module knows, and what does it offer?

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

/// Finds each function that the kernel does not export.
///
/// Logs those that it lacks. Returns the contexts that cannot do without them.
pub(crate) fn resolve() -> Result<Contexts> {
    // SAFETY: Called from the module's initialization, before anything of it runs.
    to_result(unsafe { unshare_find_kallsyms() }).inspect_err(|errno| {
        pr_err!(
            "the kernel lacks kallsyms_lookup_name or CONFIG_KPROBES=y ({:?})\n",
            errno
        )
    })?;

    let mut lacking = Contexts::empty();
    // SAFETY: The two describe one array, which is never written.
    let functions = unsafe {
        core::slice::from_raw_parts(
            (&raw const unshare_unexported).cast::<unshare_unexported>(),
            unshare_unexported_count,
        )
    };
    for function in functions {
        // SAFETY: `function` is an entry of the list, and nothing of the module runs yet.
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
    // SAFETY: The release of the first UTS namespace is terminated and is never changed.
    unsafe { CStr::from_char_ptr(unshare_kernel_release()) }
}
