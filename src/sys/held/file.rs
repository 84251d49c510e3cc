// SPDX-License-Identifier: GPL-2.0

//! The descriptor of a held context: an anonymous inode, for which the `kernel` crate has no type.
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

/// Creates a file that owns a held context and keeps the module loaded. Calls `held` after the last step that
/// can fail. Mirrors `anon_inode_getfile()`. Fails with `ENFILE`, `ENOMEM`.
pub(crate) fn into_file(held: impl FnOnce() -> Held) -> Result<ARef<File>> {
    let memory = KBox::into_raw(KBox::<Held>::new_uninit(GFP_KERNEL)?);
    // SAFETY: The operations are constant, and use `memory` as a `Held`. It becomes one below, before anybody
    // else has the file.
    let file = unsafe { unshare_anon_inode_file(&raw const OPERATIONS.0, memory.cast()) };
    // SAFETY: `into_raw` returned the pointer, and no file uses it yet.
    let memory = unsafe { KBox::from_raw(memory) };
    let file = from_err_ptr(file)?;
    let _owned_by_the_file = KBox::into_raw(KBox::write(memory, held()));
    // SAFETY: The function returned a reference, which moves to the `ARef`. Nobody uses the position of the
    // file. `File` is a transparent wrapper.
    Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast())) })
}

extern "C" {
    /// `THIS_MODULE` is its address. The `kernel` crate has a different name for it in each series.
    static __this_module: [u8; 0];
}

struct Operations(bindings::file_operations);

// SAFETY: The operations are constant.
unsafe impl Sync for Operations {}

static OPERATIONS: Operations = Operations(bindings::file_operations {
    owner: (&raw const __this_module).cast_mut().cast(),
    release: Some(release),
    unlocked_ioctl: Some(ioctl),
    // No command has an argument, so there is no pointer to convert.
    compat_ioctl: Some(ioctl),
    show_fdinfo: Some(show_fdinfo),
    llseek: Some(bindings::noop_llseek),
    ..pin_init::zeroed()
});

/// Returns the held context that a file owns.
///
/// # Safety
///
/// The file must come from [`into_file`], and must not be released while the reference is used.
unsafe fn held_of<'a>(file: *mut bindings::file) -> &'a Held {
    // SAFETY: By the safety requirements, the file owns a `Held`.
    unsafe { &*(*file).private_data.cast() }
}

unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: u32, arg: usize) -> c_long {
    // SAFETY: The VFS calls this for an open file.
    match unsafe { held_of(file) }.ioctl(cmd, arg) {
        Ok(()) => 0,
        Err(errno) => errno.to_errno() as c_long,
    }
}

unsafe extern "C" fn show_fdinfo(seq: *mut bindings::seq_file, file: *mut bindings::file) {
    // SAFETY: The file is open, and the caller lends `seq`.
    unsafe { held_of(file).show(SeqFile::from_raw(seq)) };
}

unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: Nobody uses the file any more, and it owned the box.
    drop(unsafe { KBox::from_raw((*file).private_data.cast::<Held>()) });
    0
}
