// SPDX-License-Identifier: GPL-2.0

//! A copied descriptor table, before a task has it.

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

/// A descriptor table that no task has had.
///
/// No other task can find it, so that it is read and written without a lock.
///
/// What its drop does that anyone can see: nothing. Each file is put, and not closed:
/// `filp_close()` calls `->flush`, by which a message queue forgets whom it was to notify and FUSE,
/// NFS and SMB give up what the closing process holds, although the process still has the
/// descriptor. Where another task has closed its descriptor meanwhile, that close has flushed, and
/// the put here releases the file.
///
/// # Invariants
///
/// Owns the only count of the structure, which nobody else knows.
pub(crate) struct UnseenFiles(NonNull<bindings::files_struct>);

/// The parts of a table that say which descriptors there are.
struct Descriptors<'a> {
    /// The files, by the number of the descriptor.
    files: &'a mut [*mut bindings::file],
    /// One bit a descriptor: it is open.
    open: &'a mut [usize],
    /// One bit a word of `open`: it has no zero.
    full: &'a mut [usize],
}

const WORD: usize = usize::BITS as usize;

impl UnseenFiles {
    /// Copies the descriptor table of the running task, without the descriptors in `hole`.
    ///
    /// Mirrors `dup_fd()`, which does not look at what lies above the last descriptor that is
    /// kept. Fails with `ENOMEM`, and with `EMFILE` where the table is larger than `fs.nr_open`
    /// has allowed since.
    pub(crate) fn dup(own: &OwnFiles<'_>, hole: Option<&RangeInclusive<u32>>) -> Result<Self> {
        let mut range = hole.map(|hole| bindings::fd_range {
            from: *hole.start(),
            to: *hole.end(),
        });
        let range = range.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        // SAFETY: The table is that of the running task; `range` is null or outlives the call.
        let files = from_err_ptr(unsafe { unshare_dup_fd(own.as_ptr(), range) })?;
        // INVARIANT: A new table has one count, which is this value's.
        let mut files = Self(NonNull::new(files).ok_or(ENOMEM)?);
        if let Some(hole) = hole {
            files.put(hole);
        }
        Ok(files)
    }

    /// Gives the table to the task, and returns the one that the task had.
    pub(crate) fn install(self, lock: &mut TaskLock<'_>) -> FilesStruct {
        let new = ManuallyDrop::new(self).0.as_ptr();
        let task = lock.as_ptr();
        // SAFETY: The task is locked, and owns a count of its table as `self` does of the new one:
        // the two change hands. A task that runs has a table.
        unsafe {
            let old = NonNull::new_unchecked(unshare_files_of(task));
            unshare_set_files(task, new);
            // INVARIANT: The task's count is this value's.
            FilesStruct(old)
        }
    }

    /// Puts the files of a range, as if `dup_fd()` had not copied their descriptors.
    fn put(&mut self, range: &RangeInclusive<u32>) {
        let Descriptors { files, open, full } = self.descriptors();
        let first = *range.start() as usize;
        let end = (*range.end() as usize).saturating_add(1);
        // `enumerate()` would panic on an overflow, and a range stops.
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
                    // SAFETY: In a copy, each open descriptor has a file, of which it held a reference.
                    unsafe { bindings::fput(file) };
                }
                leaving &= leaving.wrapping_sub(1);
            }
            // SAFETY: No lock is held, as in any ioctl that copies a table.
            unsafe { unshare_cond_resched() };
        }
    }

    fn descriptors(&mut self) -> Descriptors<'_> {
        // SAFETY: By the type invariant, the structure is valid, and nobody else reads or writes
        // it. The arrays have the sizes that `alloc_fdtable()` gives them, as those have that are
        // part of the structure.
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

/// The bits of the word that begins at the number `base`, up to the number `end`.
fn below(end: usize, base: usize) -> usize {
    match end.saturating_sub(base) {
        count if count < WORD => !(usize::MAX << count),
        _ => usize::MAX,
    }
}

impl Drop for UnseenFiles {
    fn drop(&mut self) {
        self.put(&(0..=u32::MAX));
        // SAFETY: By the type invariant, the count is ours to give back. `close_files()` finds no
        // open descriptor.
        unsafe { unshare_put_files_struct(self.0.as_ptr()) };
    }
}
