// SPDX-License-Identifier: GPL-2.0

//! `clear_child_tid`: a word of user memory that the kernel clears when a task leaves an address space.

use core::ptr;

use crate::sys::{
    bindings::*,
    task::Current, //
};

/// Has the page in place in which the word is, or both where it crosses a border.
///
/// A deadly signal ends the wait. Whoever handles the page fault may want to look at the memory of the task,
/// and must do so before `exec_update_lock` is taken. The word is not written: it is in use until the task
/// leaves, if it does.
pub(crate) fn fault_in_child_tid(current: &Current) {
    // SAFETY: The task runs, and nobody else changes its `clear_child_tid`.
    let word = unsafe { unshare_child_tid(current.as_ptr()) };
    if word.is_null() {
        return;
    }
    // It may be anywhere, and so in two pages.
    for byte in [word, word.wrapping_byte_add(size_of::<u32>() - 1)] {
        let mut page = ptr::null_mut();
        // SAFETY: The task runs with nothing locked. A page that comes back has a reference, which is ours.
        unsafe {
            if unshare_get_word_page(byte, &mut page) == 1 {
                unshare_put_page(page);
            }
        }
    }
}

/// Clears the word, wakes one waiter, and forgets it.
///
/// Mirrors `mm_release()`: not if the task is the last user, since nobody could be waiting, and the
/// waiter is woken also where the word could not be cleared.
///
/// The word may fault, although [`fault_in_child_tid`] has had its page in place: the page may have been
/// reclaimed or discarded since. Two locks are held meanwhile:
/// - `exec_update_lock`: whoever handles the fault must not look into this task's memory before it has;
/// - `exit_mutex` of the futexes: a waiter for a PI futex of this task (`wait_for_owner_exiting()`)
///   sleeps uninterruptibly until the fault ends, or until this task is killed, which ends the fault.
///   `exit_robust_list()` of the kernel accesses user memory under the same mutex.
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
