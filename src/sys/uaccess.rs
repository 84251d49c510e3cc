// SPDX-License-Identifier: GPL-2.0

//! Structs that grow with time, in and out of user space.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h).

use core::mem::offset_of;
use kernel::{
    prelude::*,
    uaccess::UserPtr, //
};

use super::bindings::{
    unshare_args,
    unshare_copy_args_from_user,
    unshare_copy_struct_from_user,
    unshare_copy_struct_to_user,
    unshare_put_user_pair,
    unshare_query, //
};

/// Reads the arguments, of which the caller knows `size` bytes.
///
/// Mirrors `copy_struct_from_user()`: what a shorter struct lacks is zero, and what a longer one has
/// beyond must be, else `E2BIG`. Fails with `EFAULT`.
pub(crate) fn read_args(from: UserPtr, size: usize) -> Result<unshare_args> {
    let mut args = unshare_args::default();
    let from = from.as_const_ptr();
    let known = size_of::<unshare_args>();
    // For speed: nearly all programs have the struct as the module knows it.
    // SAFETY: `args` may hold any bytes: it is integers, and has the size that the assertion in
    // `device.rs` says.
    done(unsafe {
        match size == known {
            true => unshare_copy_args_from_user(&mut args, from),
            false => unshare_copy_struct_from_user((&raw mut args).cast(), known, from, size),
        }
    })?;
    Ok(args)
}

/// Writes an answer, of which the caller knows `size` bytes.
///
/// Mirrors `copy_struct_to_user()`: as much as fits, and zeroes beyond. Fails with `EFAULT`.
pub(crate) fn write_answer(to: UserPtr, size: usize, answer: &unshare_query) -> Result {
    // For speed: nearly all programs have the struct as the module knows it, which is two pairs.
    if size == size_of::<unshare_query>() {
        write_pair(to, answer.contexts, answer.attachable)?;
        let rest = to.wrapping_byte_add(offset_of!(unshare_query, options));
        return write_pair(rest, answer.options, answer.shared);
    }
    // SAFETY: The answer has the size that is given, four integers that fill 32 bytes.
    done(unsafe {
        unshare_copy_struct_to_user(
            to.as_mut_ptr(),
            size,
            (&raw const *answer).cast(),
            size_of::<unshare_query>(),
        )
    })
}

const _: () = assert!(offset_of!(unshare_query, attachable) == 8);
const _: () = assert!(offset_of!(unshare_query, options) == 16);
const _: () = assert!(offset_of!(unshare_query, shared) == 24);

/// Writes two numbers, one after the other. Fails with `EFAULT`.
pub(crate) fn write_pair(to: UserPtr, first: u64, second: u64) -> Result {
    // SAFETY: Any address may be given.
    done(unsafe { unshare_put_user_pair(to.as_mut_ptr().cast(), first, second) })
}

/// As [`kernel::error::to_result`]. For speed: that one is a call, and every request would make two.
#[inline]
fn done(errno: i32) -> Result {
    match errno {
        0 => Ok(()),
        errno => Err(Error::from_errno(errno)),
    }
}
