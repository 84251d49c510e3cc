// SPDX-License-Identifier: GPL-2.0

//! A copy of a descriptor table that no task uses yet.

use core::{
    mem::{
        replace,
        ManuallyDrop, //
    },
    ops::RangeInclusive,
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

use super::{
    FilesStruct,
    OwnFiles, //
};
use crate::sys::{
    bindings::{
        unshare_cond_resched,
        unshare_dup_fd,
        unshare_files_of,
        unshare_put_files_struct,
        unshare_set_files,
        unshare_unseen_fdtable, //
    },
    task::TaskLock,
};

/// A descriptor table that no task has used. It needs no lock, because no other task can find it.
///
/// Dropping it changes nothing that a task can see: it puts the files and does not close them.
/// Closing would call `->flush` (`filp_close()`): a message queue would then drop its notification,
/// and FUSE, NFS and SMB would give up what the process holds, although the process still has the
/// descriptor. If another task closes the descriptor in the original table meanwhile, that close
/// flushes the file, and the put here releases it.
///
/// # Invariants
///
/// Owns the only reference to the table.
pub(crate) struct UnseenFiles(NonNull<bindings::files_struct>);

/// The arrays of a table.
struct Descriptors<'a> {
    /// The files, indexed by descriptor.
    files: &'a mut [*mut bindings::file],
    /// A bit for each descriptor: it is open.
    open: &'a mut [usize],
    /// A bit for each word of `open`: all bits of the word are set.
    full: &'a mut [usize],
}

const WORD: usize = usize::BITS as usize;

impl UnseenFiles {
    /// Copies the descriptor table of the running task, without the descriptors in `hole`.
    ///
    /// Mirrors `dup_fd()`, which itself leaves out `hole` only at the end of the table. Fails with
    /// `ENOMEM`; with `EMFILE` if `fs.nr_open` was lowered below the table's size.
    pub(crate) fn dup(own: &OwnFiles<'_>, hole: Option<&RangeInclusive<u32>>) -> Result<Self> {
        let mut range = hole.map(|hole| bindings::fd_range {
            from: *hole.start(),
            to: *hole.end(),
        });
        let range = range.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        // SAFETY: The running task uses the table; `range` is null or outlives the call.
        let files = from_err_ptr(unsafe { unshare_dup_fd(own.as_ptr(), range) })?;
        // INVARIANT: A new table has one reference, which moves to the value.
        let mut files = Self(NonNull::new(files).ok_or(ENOMEM)?);
        if let Some(hole) = hole {
            files.put(hole);
        }
        Ok(files)
    }

    /// Gives the table to the task, and returns the task's old table.
    pub(crate) fn install(self, lock: &mut TaskLock<'_>) -> FilesStruct {
        let new = ManuallyDrop::new(self).0.as_ptr();
        let task = lock.as_ptr();
        // SAFETY: The task is locked. Its reference to the old table moves out, and the reference
        // of `self` to the new one moves in. A running task has a table.
        unsafe {
            let old = NonNull::new_unchecked(unshare_files_of(task));
            unshare_set_files(task, new);
            // INVARIANT: The task's reference moves to the value.
            FilesStruct(old)
        }
    }

    /// Removes the descriptors in `range`, as if `dup_fd()` had not copied them: puts the files.
    fn put(&mut self, range: &RangeInclusive<u32>) {
        let Descriptors { files, open, full } = self.descriptors();
        let first = *range.start() as usize;
        let end = (*range.end() as usize).saturating_add(1);
        // `enumerate()` would panic on an overflow; a range ends instead.
        let words = files.chunks_mut(WORD).zip(open).zip(0..usize::MAX);
        for (((files, open), number), base) in words.zip((0..end).step_by(WORD)) {
            let mut leaving = *open & below(end, base) & !below(first, base);
            if leaving == 0 {
                continue;
            }
            *open &= !leaving;
            if let Some(full) = full.get_mut(number / WORD) {
                *full &= !(1 << (number % WORD));
            }
            while leaving != 0 {
                if let Some(file) = files.get_mut(leaving.trailing_zeros() as usize) {
                    let file = replace(file, ptr::null_mut());
                    // SAFETY: In a copy, each open descriptor has a file and a reference to it.
                    unsafe { bindings::fput(file) };
                }
                leaving &= leaving.wrapping_sub(1);
            }
            // SAFETY: No lock is held.
            unsafe { unshare_cond_resched() };
        }
    }

    fn descriptors(&mut self) -> Descriptors<'_> {
        // SAFETY: By the type invariant, the table is valid, and nobody else accesses it.
        // `alloc_fdtable()` gives the arrays these sizes, as those inside `files_struct` have.
        unsafe {
            let table = &*unshare_unseen_fdtable(self.0.as_ptr());
            let count = table.max_fds as usize;
            let words = count / WORD;
            Descriptors {
                files: slice::from_raw_parts_mut(table.fd, count),
                open: slice::from_raw_parts_mut(table.open_fds.cast(), words),
                full: slice::from_raw_parts_mut(table.full_fds_bits.cast(), words.div_ceil(WORD)),
            }
        }
    }
}

/// Returns a mask of the descriptors below `end`, in the word that begins with descriptor `base`.
fn below(end: usize, base: usize) -> usize {
    match end.saturating_sub(base) {
        count if count < WORD => !(usize::MAX << count),
        _ => usize::MAX,
    }
}

impl Drop for UnseenFiles {
    fn drop(&mut self) {
        self.put(&(0..=u32::MAX));
        // SAFETY: By the type invariant, `self` owns the reference. No descriptor is open any more,
        // so `close_files()` closes nothing.
        unsafe { unshare_put_files_struct(self.0.as_ptr()) };
    }
}
