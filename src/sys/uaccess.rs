// SPDX-License-Identifier: GPL-2.0

//! Copying extensible structs from and to user space.
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

/// Reads the arguments from a struct of `size` bytes.
///
/// Mirrors `copy_struct_from_user()`: the missing tail of a shorter struct reads as zero, and the
/// unknown tail of a longer struct must be zero, or this fails with `E2BIG`. Fails with `EFAULT`.
pub(crate) fn read_args(from: UserPtr, size: usize) -> Result<unshare_args> {
    let mut args = unshare_args::default();
    let from = from.as_const_ptr();
    let known = size_of::<unshare_args>();
    // For speed: nearly all programs pass the size that the module knows.
    // SAFETY: Any bytes are valid for `args`, whose size `device.rs` asserts: it consists of
    // integers.
    done(unsafe {
        match size == known {
            true => unshare_copy_args_from_user(&mut args, from),
            false => unshare_copy_struct_from_user((&raw mut args).cast(), known, from, size),
        }
    })?;
    Ok(args)
}

/// Writes the answer to a struct of `size` bytes. Mirrors `copy_struct_to_user()`: truncates the
/// answer, or zeroes the tail. Fails with `EFAULT`.
pub(crate) fn write_answer(to: UserPtr, size: usize, answer: &unshare_query) -> Result {
    // For speed: as in `read_args`. The struct consists of two pairs.
    if size == size_of::<unshare_query>() {
        write_pair(to, answer.contexts, answer.attachable)?;
        let rest = to.wrapping_byte_add(offset_of!(unshare_query, options));
        return write_pair(rest, answer.options, answer.shared);
    }
    // SAFETY: The answer has the size that is passed, and no padding: four integers fill 32 bytes.
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

/// Writes two adjacent integers. Fails with `EFAULT`.
pub(crate) fn write_pair(to: UserPtr, first: u64, second: u64) -> Result {
    // SAFETY: The function checks the address.
    done(unsafe { unshare_put_user_pair(to.as_mut_ptr().cast(), first, second) })
}

/// As [`kernel::error::to_result`]. For speed: that is a call, and every request would make two.
#[inline]
fn done(errno: i32) -> Result {
    match errno {
        0 => Ok(()),
        errno => Err(Error::from_errno(errno)),
    }
}
