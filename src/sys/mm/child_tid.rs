// SPDX-License-Identifier: GPL-2.0

//! `clear_child_tid`: a word of user memory that the kernel clears when a task leaves an address space.

use core::ptr;
use kernel::{
    bindings,
    page::PAGE_SIZE, //
};

use crate::sys::{
    bindings::*,
    task::Current, //
};

/// The pages that the word is in: one, or two where it crosses a border.
///
/// The task that handles a page fault there (FUSE, userfaultfd) may read this task's memory first, and that
/// takes `exec_update_lock`. So the pages are faulted in before the lock is taken, and looked for again when
/// it is held.
pub(super) struct ChildTid {
    /// The first and the last byte of the word.
    bytes: [*mut u32; 2],
    /// With which flags each byte's page was found: `FOLL_WRITE`, or else 0, to read. `None` where there is no
    /// page, or no second one.
    found_by: [Option<u32>; 2],
}

impl ChildTid {
    /// Faults the pages in, also where only NUMA balancing has taken the access away: the second look
    /// takes such a page for missing.
    ///
    /// Waits as any page fault does. A deadly signal ends that, unless a FUSE server has already begun to
    /// answer, or the page belongs to a file system that is frozen. Does not write the word, which is in use for as long as the task stays.
    pub(super) fn fault_in(current: &Current) -> Self {
        // SAFETY: The task runs, and nobody else changes its `clear_child_tid`.
        let word = unsafe { unshare_child_tid(current.as_ptr()) };
        let bytes = [word, word.wrapping_byte_add(size_of::<u32>() - 1)];
        let get = |byte, flags| {
            // SAFETY: The task runs with nothing locked, and may name any address.
            find_page(|page| unsafe { unshare_get_word_page(byte, flags, page) == 1 })
        };
        let find = |byte| {
            let mut flags = [bindings::FOLL_WRITE, 0].into_iter();
            flags.find(|flags| get(byte, *flags))
        };
        let [first, last] = bytes;
        let is_set = !word.is_null();
        // For speed: nearly every word is in one page.
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
            // SAFETY: The function takes no lock and waits for nobody.
            find_page(|page| unsafe { unshare_peek_word_page(byte, flags, page) == 1 })
                || is_mapped(byte, flags)
        };
        let mut bytes = self.bytes.into_iter().zip(self.found_by);
        bytes.all(|(byte, found_by)| found_by.is_none_or(|flags| is_there(byte, flags)))
    }
}

/// Returns whether a page is mapped, also one that `get_user_pages_fast_only()` passes over: the zero page,
/// and in Linux 7.2 a page that a driver has inserted.
///
/// The `mmap_lock` is only tried: its holder may wait for a task that waits for `exec_update_lock`.
fn is_mapped(byte: *mut u32, flags: u32) -> bool {
    // SAFETY: The task runs in its address space.
    if !unsafe { unshare_try_lock_own_mm() } {
        return false;
    }
    // SAFETY: The lock is held, and nothing is faulted in.
    let is_found = find_page(|page| unsafe { unshare_find_word_page(byte, flags, page) == 1 });
    // SAFETY: The lock was taken above.
    unsafe { unshare_unlock_own_mm() };
    is_found
}

/// Returns whether `get` finds a page, and puts the page.
fn find_page(get: impl FnOnce(&mut *mut bindings::page) -> bool) -> bool {
    let mut page = ptr::null_mut();
    let found = get(&mut page);
    if found {
        // SAFETY: The page has a reference, which is ours.
        unsafe { unshare_put_page(page) };
    }
    found
}

/// Clears the word, wakes one waiter, and forgets it.
///
/// Mirrors `mm_release()`: not if the task is the last user, since nobody could be waiting, and the
/// waiter is woken also where the word could not be cleared.
///
/// [`ChildTid::is_in_place`] has seen the pages a few instructions ago, under the locks that are still held:
/// `exec_update_lock`, and `exit_mutex` of the futexes. If a page has gone since, it is faulted in under
/// both. `exec_mmap()` has no such fault: it clears the word before it takes the lock, since it need not be
/// able to fail afterwards. `exit_robust_list()` faults under `exit_mutex`, too. The fault lasts as long as
/// the task that handles it likes: a FUSE server that discards the page at exactly this moment can keep
/// readers of `/proc/PID` waiting. It can do so without this module as well, by a readlink(2) of
/// `/proc/PID/ns/mnt` into its own memory.
pub(super) fn clear(current: &Current) {
    let task = current.as_ptr();
    // SAFETY: The task runs in the address space that the word is in, and nobody else changes its
    // `clear_child_tid`. `exec_update_lock` and `exit_mutex` are held: page faults take neither, and may
    // sleep under both.
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
