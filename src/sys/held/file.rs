// SPDX-License-Identifier: GPL-2.0

//! The descriptor of a held context: a file on an anonymous inode. The `kernel` crate has no type for one.
//!
//! C header: [`include/linux/anon_inodes.h`](srctree/include/linux/anon_inodes.h).

use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    fs::File,
    prelude::*,
    seq_file::SeqFile,
    sync::aref::ARef, //
};

use crate::{
    held::Held,
    sys::bindings::unshare_anon_inode_file, //
};

/// Makes a file that owns a held context, and keeps the module loaded. Calls `held` when nothing can fail any
/// more.
///
/// Mirrors `anon_inode_getfile()`. Fails with `ENFILE`, `ENOMEM`.
pub(crate) fn into_file(held: impl FnOnce() -> Held) -> Result<ARef<File>> {
    let memory = KBox::into_raw(KBox::<Held>::new_uninit(GFP_KERNEL)?);
    // SAFETY: The operations are never written to. They take `memory` for a `Held`, which it is before anyone
    // else knows the file.
    let file =
        from_err_ptr(unsafe { unshare_anon_inode_file(&raw const OPERATIONS.0, memory.cast()) });
    // SAFETY: `into_raw` gave the pointer, and no file uses it yet.
    let memory = unsafe { KBox::from_raw(memory) };
    let file = file?;
    let _owned_by_the_file = KBox::into_raw(KBox::write(memory, held()));
    // SAFETY: The function gave us a reference, which moves to the `ARef`. Nobody uses the position of the
    // file. `File` is a transparent wrapper.
    Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast())) })
}

extern "C" {
    /// What C calls `THIS_MODULE`, for its address. The `kernel` crate has it by another name in each series.
    static __this_module: [u8; 0];
}

struct Operations(bindings::file_operations);

// SAFETY: The operations are never written to.
unsafe impl Sync for Operations {}

static OPERATIONS: Operations = Operations(bindings::file_operations {
    owner: (&raw const __this_module).cast_mut().cast(),
    release: Some(release),
    unlocked_ioctl: Some(ioctl),
    // No command has an argument, so there is no pointer to widen.
    compat_ioctl: Some(ioctl),
    show_fdinfo: Some(show_fdinfo),
    llseek: Some(bindings::noop_llseek),
    ..pin_init::zeroed()
});

/// # Safety
///
/// The file must be one of [`into_file`], and not released yet for as long as the value is used.
unsafe fn held_of<'a>(file: *mut bindings::file) -> &'a Held {
    // SAFETY: As the caller promises: the file owns a `Held`.
    unsafe { &*(*file).private_data.cast() }
}

unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: u32, arg: usize) -> c_long {
    // SAFETY: The file is open.
    match unsafe { held_of(file) }.ioctl(cmd, arg) {
        Ok(()) => 0,
        Err(errno) => errno.to_errno() as c_long,
    }
}

unsafe extern "C" fn show_fdinfo(seq: *mut bindings::seq_file, file: *mut bindings::file) {
    // SAFETY: The file is open, and the caller lends the other one.
    unsafe { held_of(file).show(SeqFile::from_raw(seq)) };
}

unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: Nobody uses the file any more, and it owned the box.
    drop(unsafe { KBox::from_raw((*file).private_data.cast::<Held>()) });
    0
}
