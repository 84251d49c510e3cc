// SPDX-License-Identifier: GPL-2.0

//! `clear_child_tid`: the word of user memory that the kernel clears when a task leaves an mm.

use core::ptr;
use kernel::{
    bindings,
    page::PAGE_SIZE, //
};

use crate::sys::{
    bindings::*,
    task::Current, //
};

/// The pages of the word: one, or two if the word crosses a page boundary.
///
/// The task that handles a page fault there (FUSE, userfaultfd) may first read the running task's
/// memory, which requires `exec_update_lock`. So the pages are faulted in before the lock is taken.
pub(super) struct ChildTid {
    /// The first and the last byte of the word.
    bytes: [*mut u32; 2],
    /// The flags that found the page of each byte: `FOLL_WRITE`, or 0 if it can only be read.
    /// `None` if there is no such page.
    found_by: [Option<u32>; 2],
}

impl ChildTid {
    /// Faults the pages in, including a page that NUMA balancing has made inaccessible, because
    /// [`is_in_place`](Self::is_in_place) does not find such a page.
    ///
    /// Waits as any page fault does. A fatal signal ends the wait, unless a FUSE server has already
    /// begun to answer, or the file system is frozen. Does not write the word.
    pub(super) fn fault_in(current: &Current) -> Self {
        // SAFETY: Only the running task changes its `clear_child_tid`.
        let word = unsafe { unshare_child_tid(current.as_ptr()) };
        let bytes = [word, word.wrapping_byte_add(size_of::<u32>() - 1)];
        let get = |byte, flags| {
            // SAFETY: No lock is held, and any address may be passed.
            find_page(|page| unsafe { unshare_get_word_page(byte, flags, page) == 1 })
        };
        let find = |byte| {
            let mut flags = [bindings::FOLL_WRITE, 0].into_iter();
            flags.find(|flags| get(byte, *flags))
        };
        let [first, last] = bytes;
        let is_set = !word.is_null();
        // For speed: nearly every word is within one page.
        let crosses = first.addr() / PAGE_SIZE != last.addr() / PAGE_SIZE;
        let found_by = [
            is_set.then(|| find(first)).flatten(),
            crosses.then(|| find(last)).flatten(),
        ];
        Self { bytes, found_by }
    }

    /// Returns whether each page is still there, without a page fault.
    pub(super) fn is_in_place(&self) -> bool {
        let is_there = |byte, flags| {
            // SAFETY: The function takes no lock, and does not wait.
            find_page(|page| unsafe { unshare_peek_word_page(byte, flags, page) == 1 })
                || is_mapped(byte, flags)
        };
        let mut bytes = self.bytes.into_iter().zip(self.found_by);
        bytes.all(|(byte, found_by)| found_by.is_none_or(|flags| is_there(byte, flags)))
    }
}

/// Returns whether a page is mapped, including pages that `get_user_pages_fast_only()` does not
/// find: the zero page, and in Linux 7.2 a page that a driver has inserted.
///
/// Only tries `mmap_lock`: its holder may wait for a task that waits for `exec_update_lock`.
fn is_mapped(byte: *mut u32, flags: u32) -> bool {
    // SAFETY: The running task has an address space.
    if !unsafe { unshare_try_lock_own_mm() } {
        return false;
    }
    // SAFETY: `mmap_lock` is held, and nothing is faulted in.
    let is_found = find_page(|page| unsafe { unshare_find_word_page(byte, flags, page) == 1 });
    // SAFETY: The lock was taken above.
    unsafe { unshare_unlock_own_mm() };
    is_found
}

/// Returns whether `get` finds a page, and drops the reference to the page.
fn find_page(get: impl FnOnce(&mut *mut bindings::page) -> bool) -> bool {
    let mut page = ptr::null_mut();
    let found = get(&mut page);
    if found {
        // SAFETY: `get` took a reference to the page.
        unsafe { unshare_put_page(page) };
    }
    found
}

/// Clears the word, wakes one waiter, and resets `clear_child_tid`.
///
/// Mirrors `mm_release()`: only resets if the task is the last user, because nobody can be waiting;
/// and wakes the waiter even if the word cannot be cleared.
///
/// [`ChildTid::is_in_place`] has found the pages a few instructions ago, under `exec_update_lock`
/// and the `exit_mutex` of the futexes, which are still held. If a page has gone since, it is
/// faulted in under both. (`exit_robust_list()` also faults under `exit_mutex`.) The fault lasts as
/// long as its handler likes, so a FUSE server that discards the page at exactly this moment can
/// delay readers of `/proc/PID`. It can do so without this module too, by a readlink(2) of
/// `/proc/PID/ns/mnt` into its own memory. `exec_mmap()` clears the word before it takes the lock,
/// and kills the task if it fails afterwards; this module must not.
pub(super) fn clear(current: &Current) {
    let task = current.as_ptr();
    // SAFETY: The running task has not left the word's address space, and only it changes its
    // `clear_child_tid`. Page faults do not take the locks that are held, and may sleep under them.
    unsafe {
        let word = unshare_child_tid(task);
        if word.is_null() {
            return;
        }
        if unshare_mm_users(task) > 1 {
            unshare_clear_word(word);
            #[cfg(CONFIG_FUTEX)]
            unshare_wake_word(word);
        }
        unshare_reset_child_tid(task);
    }
}
