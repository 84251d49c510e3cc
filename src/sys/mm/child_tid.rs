// SPDX-License-Identifier: GPL-2.0

//! `clear_child_tid`: a word of user memory that the kernel clears when a task leaves an address space.

use core::ptr;
use kernel::bindings;

use crate::sys::{
    bindings::*,
    task::Current, //
};

/// The pages that the word is in: one, or two where it crosses a border.
///
/// Whoever handles a page fault at the word may want to look at the memory of the task first. So the pages
/// are put in place before `exec_update_lock` is taken, and looked for again when it is held.
pub(super) struct ChildTid {
    /// The first and the last byte of the word.
    bytes: [*mut u32; 2],
    /// The flags by which the pages were had: for writing, else for reading, else not at all.
    had: [Option<u32>; 2],
}

impl ChildTid {
    /// Has the pages in place.
    ///
    /// Waits as any access to the memory does: a deadly signal ends that, save where the server of a
    /// file system has begun to answer. The word is not written: it is in use until the task leaves, if
    /// it does.
    pub(super) fn fault_in(current: &Current) -> Self {
        // SAFETY: The task runs, and nobody else changes its `clear_child_tid`.
        let word = unsafe { unshare_child_tid(current.as_ptr()) };
        let bytes = [word, word.wrapping_byte_add(size_of::<u32>() - 1)];
        let get = |byte, flags| {
            // SAFETY: The task runs with nothing locked, and may name any address.
            had_page(|page| unsafe { unshare_get_word_page(byte, flags, page) == 1 })
        };
        let had = bytes.map(|byte| match word.is_null() {
            true => None,
            false => [bindings::FOLL_WRITE, 0]
                .into_iter()
                .find(|flags| get(byte, *flags)),
        });
        Self { bytes, had }
    }

    /// Returns whether the pages can be had as before, and without a page fault.
    pub(super) fn is_in_place(&self) -> bool {
        self.bytes.into_iter().zip(self.had).all(|(byte, had)| {
            had.is_none_or(|flags| {
                // SAFETY: The function takes no lock and waits for nobody.
                had_page(|page| unsafe { unshare_peek_word_page(byte, flags, page) == 1 })
            })
        })
    }
}

/// Returns whether `get` has found a page, and gives that back.
fn had_page(get: impl FnOnce(&mut *mut bindings::page) -> bool) -> bool {
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
/// The pages were in place a few instructions ago, under the same locks ([`ChildTid::is_in_place`]). One that
/// was reclaimed or discarded since is faulted in again, with two locks held: `exec_update_lock`, which
/// `exec_mmap()` takes only after this, and `exit_mutex` of the futexes, under which `exit_robust_list()`
/// accesses user memory, too. A FUSE server that has the page discarded at just that moment can make it last;
/// without this module it can keep readers from a task, too, by a read of `/proc/PID/ns` into its memory.
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
