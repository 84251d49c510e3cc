// SPDX-License-Identifier: GPL-2.0

//! The table of open file descriptors.
//!
//! C header: [`include/linux/fdtable.h`](srctree/include/linux/fdtable.h).

mod unseen;

use core::{
    ops::RangeInclusive,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    sync::lock::{
        spinlock::SpinLockBackend,
        Guard,
        Lock, //
    }, //
};

use super::{
    bindings::{
        unshare_cond_resched,
        unshare_file_close_fd_locked,
        unshare_files_lock,
        unshare_files_max_fds,
        unshare_files_next_open,
        unshare_files_of,
        unshare_files_users,
        unshare_put_files_struct, //
    },
    task::Current, //
};

pub(crate) use self::unseen::UnseenFiles;

/// A descriptor table that the running task had.
///
/// Dropping the last reference closes the descriptors, with all that a close does that anyone can
/// see, as `unshare(2)` does where the other users of the table have ended meanwhile.
///
/// # Invariants
///
/// Owns one count of the structure.
pub(crate) struct FilesStruct(NonNull<bindings::files_struct>);

impl Drop for FilesStruct {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the count is ours to give back.
        unsafe { unshare_put_files_struct(self.0.as_ptr()) };
    }
}

/// The descriptor table of the running task.
///
/// Each use looks the table up again, since the task may have replaced it in between.
pub(crate) struct OwnFiles<'a>(&'a Current);

impl<'a> OwnFiles<'a> {
    /// Returns the descriptor table of the running task.
    pub(crate) fn of(current: &'a Current) -> Self {
        Self(current)
    }

    /// Returns the table, which stays until the task itself replaces it. It exists until the task exits.
    fn as_ptr(&self) -> *mut bindings::files_struct {
        // SAFETY: The task runs.
        unsafe { unshare_files_of(self.0.as_ptr()) }
    }

    /// Returns whether another task uses the table.
    pub(crate) fn is_shared(&self) -> bool {
        // SAFETY: The running task has the table.
        unsafe { unshare_files_users(self.as_ptr()) > 1 }
    }

    /// Closes the descriptors of a range.
    ///
    /// Mirrors `__range_close()`, which cannot fail either once the range is known to be one. A
    /// close may sleep, so that each is done with the table unlocked.
    pub(crate) fn close_range(&self, range: &RangeInclusive<u32>) {
        let mut next = *range.start();
        while let Some(file) = self.take_next(&mut next, *range.end()) {
            // SAFETY: The table held the reference and does not name the file any more. The task
            // runs with the table, by which file systems know whose locks to drop.
            unsafe { bindings::filp_close(file.as_ptr(), self.as_ptr().cast()) };
            // SAFETY: No lock is held, as in any ioctl that has just closed a file.
            unsafe { unshare_cond_resched() };
        }
    }

    /// Takes the first file out of the table whose descriptor is from `next` to `last`.
    ///
    /// A reserved descriptor has no file yet, and stays with the task that reserved it. This table has none:
    /// only the running task uses it.
    fn take_next(&self, next: &mut u32, last: u32) -> Option<NonNull<bindings::file>> {
        let table = self.as_ptr();
        let _guard = self.lock();
        // SAFETY: The running task has the table, which is locked.
        let end = unsafe { unshare_files_max_fds(table) }.min(last.saturating_add(1));
        loop {
            // SAFETY: As above, and `end` is not beyond the table.
            let fd = unsafe { unshare_files_next_open(table, end, *next) };
            if fd >= end {
                return None;
            }
            *next = fd.wrapping_add(1);
            // SAFETY: As above. What it returns was the table's reference, and is ours.
            let file = unsafe { unshare_file_close_fd_locked(table, fd) };
            if let Some(file) = NonNull::new(file) {
                return Some(file);
            }
        }
    }

    /// Locks the table against other tasks that use it, and readers of `/proc/PID/fd`.
    fn lock(&self) -> Guard<'_, (), SpinLockBackend> {
        // SAFETY: The running task has the table, and with it its `file_lock`. Whoever holds the guard does
        // not replace the table.
        let lock: &Lock<(), SpinLockBackend> =
            unsafe { Lock::from_raw(unshare_files_lock(self.as_ptr())) };
        lock.lock()
    }
}
