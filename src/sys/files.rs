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

/// The descriptor table that the running task had.
///
/// Dropping the last reference closes the descriptors, with everything that a close does.
/// unshare(2) does the same if the other users of the table have exited meanwhile.
///
/// # Invariants
///
/// Owns one reference to the table.
pub(crate) struct FilesStruct(NonNull<bindings::files_struct>);

impl Drop for FilesStruct {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `self` owns the reference.
        unsafe { unshare_put_files_struct(self.0.as_ptr()) };
    }
}

/// The descriptor table of the running task.
///
/// Each method reads `task->files` again, because the task may have replaced the table in between.
pub(crate) struct OwnFiles<'a>(&'a Current);

impl<'a> OwnFiles<'a> {
    /// Returns the descriptor table of the running task.
    pub(crate) fn of(current: &'a Current) -> Self {
        Self(current)
    }

    /// Returns the table. It is valid until the running task replaces it or exits.
    fn as_ptr(&self) -> *mut bindings::files_struct {
        // SAFETY: Only the running task replaces its table.
        unsafe { unshare_files_of(self.0.as_ptr()) }
    }

    /// Returns whether another task uses the table.
    pub(crate) fn is_shared(&self) -> bool {
        // SAFETY: The running task uses the table.
        unsafe { unshare_files_users(self.as_ptr()) > 1 }
    }

    /// Closes the descriptors in `range`, as `__range_close()` does. Cannot fail.
    ///
    /// Closing a file may sleep, so the table is unlocked for each of them.
    pub(crate) fn close_range(&self, range: &RangeInclusive<u32>) {
        let mut next = *range.start();
        while let Some(file) = self.take_next(&mut next, *range.end()) {
            // SAFETY: The reference was the table's, and the table no longer contains the file.
            // File systems recognize the owner of file locks by the table that is passed.
            unsafe { bindings::filp_close(file.as_ptr(), self.as_ptr().cast()) };
            // SAFETY: No lock is held, as in any ioctl that closes a file.
            unsafe { unshare_cond_resched() };
        }
    }

    /// Removes the first file with a descriptor in `next..=last` from the table and returns it.
    /// Advances `next` past its descriptor.
    ///
    /// Skips a descriptor that is reserved and has no file yet. Only another user of the table
    /// could have reserved one, and this table has no other user.
    fn take_next(&self, next: &mut u32, last: u32) -> Option<NonNull<bindings::file>> {
        let table = self.as_ptr();
        let _guard = self.lock();
        // SAFETY: The running task uses the table, and `_guard` holds its lock.
        let end = unsafe { unshare_files_max_fds(table) }.min(last.saturating_add(1));
        loop {
            // SAFETY: As above, and `end` is within the table.
            let fd = unsafe { unshare_files_next_open(table, end, *next) };
            if fd >= end {
                return None;
            }
            *next = fd.wrapping_add(1);
            // SAFETY: As above. The function returns the table's reference to the file.
            let file = unsafe { unshare_file_close_fd_locked(table, fd) };
            if let Some(file) = NonNull::new(file) {
                return Some(file);
            }
        }
    }

    /// Locks the table against its other users and against readers of `/proc/PID/fdinfo`.
    fn lock(&self) -> Guard<'_, (), SpinLockBackend> {
        // SAFETY: The running task uses the table, which contains the lock, and does not replace it
        // while it holds the guard.
        let lock: &Lock<(), SpinLockBackend> =
            unsafe { Lock::from_raw(unshare_files_lock(self.as_ptr())) };
        lock.lock()
    }
}
