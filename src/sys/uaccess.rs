// SPDX-License-Identifier: GPL-2.0

//! Structs that grow with time, in and out of user space.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h).

use kernel::{
    error::to_result,
    prelude::*,
    uaccess::UserPtr, //
};

use super::bindings::{
    unshare_args,
    unshare_copy_struct_from_user,
    unshare_copy_struct_to_user,
    unshare_query, //
};

/// A struct of the ABI: plain integers without padding.
///
/// # Safety
///
/// Each bit pattern is a value, and each byte of a value is initialized.
pub(crate) unsafe trait AbiStruct: Default {}

// SAFETY: Eight integers that fill 48 bytes, as the assertion in `device.rs` says.
unsafe impl AbiStruct for unshare_args {}
// SAFETY: Four integers that fill 32 bytes.
unsafe impl AbiStruct for unshare_query {}

/// Reads a struct whose size the caller knows as `size`.
///
/// Mirrors `copy_struct_from_user()`: what a shorter one lacks is zero, and what a longer one has
/// beyond must be, else `E2BIG`. Fails with `EFAULT`.
pub(crate) fn read_struct<T: AbiStruct>(from: UserPtr, size: usize) -> Result<T> {
    let mut value = T::default();
    // SAFETY: `value` has the size that is given, and by `AbiStruct` may hold any bytes.
    to_result(unsafe {
        unshare_copy_struct_from_user(
            (&raw mut value).cast(),
            size_of::<T>(),
            from.as_const_ptr(),
            size,
        )
    })?;
    Ok(value)
}

/// Writes a struct whose size the caller knows as `size`.
///
/// Mirrors `copy_struct_to_user()`: as much as fits, and zeroes beyond. Fails with `EFAULT`.
pub(crate) fn write_struct<T: AbiStruct>(to: UserPtr, size: usize, value: &T) -> Result {
    // SAFETY: `value` has the size that is given, and by `AbiStruct` no byte is uninitialized.
    to_result(unsafe {
        unshare_copy_struct_to_user(
            to.as_mut_ptr(),
            size,
            (&raw const *value).cast(),
            size_of::<T>(),
        )
    })
}
