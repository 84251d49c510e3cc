// SPDX-License-Identifier: GPL-2.0

//! Which contexts other tasks share with the running task.
//!
//! A reference count above one does not prove that another task uses the context: a reader of
//! `/proc/PID` holds an mm for a moment, and an exiting task drops its references a moment later.
//! So this searches all tasks for other users, as `current_is_single_threaded()` does.

use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    sync::rcu, //
};

use super::{
    bindings::{
        unshare_has_undo_list,
        unshare_is_kthread,
        unshare_mm_users,
        unshare_next_process,
        unshare_next_thread,
        unshare_sighand_users,
        unshare_smp_rmb,
        unshare_task_contexts,
        unshare_uses_mm_of,
        unshare_uses_sighand_of, //
    },
    files::OwnFiles,
    fs_struct::FsStruct,
    nsproxy,
    task::{
        self,
        Current, //
    },
};
use crate::contexts::{
    Context,
    Contexts, //
};

/// Returns which of the `wanted` contexts another task shares at this moment.
pub(super) fn shared_contexts(current: &Current, wanted: Contexts) -> Contexts {
    let wanted = wanted.without(own_contexts(current));
    // `own_contexts` has checked for other threads: if `Thread` is still wanted, there are some.
    let mut shared = wanted & Context::Thread;
    if wanted.without(shared).is_empty() {
        return shared;
    }
    // For speed: a request about mm and signal handlers alone locks no task and skips kernel
    // threads, which share neither with a program.
    let is_locking = !wanted
        .without(shared | Context::Vm | Context::Sighand)
        .is_empty();

    let rcu = rcu::read_lock();
    let me = Task {
        task: current.as_ptr(),
        _rcu: PhantomData,
    };
    let my_contexts = me.contexts();
    for other in Tasks::new(&rcu, is_locking).filter(|other| *other != me) {
        shared |= other.common_memory(&me);
        // If the task has just given up its mm to exit, the iterator must still find the tasks that
        // it forked before. So read `mm` before the lists are followed.
        // SAFETY: A barrier has no requirements.
        unsafe { unshare_smp_rmb() };
        if is_locking {
            let _lock = other.lock();
            shared |= common_contexts(&my_contexts, &other.contexts());
        }
        if wanted.without(shared).is_empty() {
            break;
        }
    }
    shared & wanted
}

/// Returns the contexts whose reference count proves that no other task uses them.
fn own_contexts(current: &Current) -> Contexts {
    let task = current.as_ptr();
    // SAFETY: A running task has an mm and signal handlers, which only the task itself replaces.
    let (mm_users, sighand_users, has_undo_list) = unsafe {
        (
            unshare_mm_users(task),
            unshare_sighand_users(task),
            unshare_has_undo_list(task),
        )
    };
    let mut own = Contexts::empty();
    for (context, is_own) in [
        (Context::Vm, mm_users == 1),
        (Context::Sighand, sighand_users == 1),
        (Context::Thread, !current.has_threads()),
        (Context::Fs, !FsStruct::is_shared(current)),
        (Context::Files, !OwnFiles::of(current).is_shared()),
        (Context::Sysvsem, !has_undo_list),
    ] {
        if is_own {
            own |= context;
        }
    }
    own
}

/// Returns what two tasks have in common of fs, files, nsproxy, user namespace and undo list.
///
/// Under `task_lock`, fs, files and nsproxy of the other task are stable, and the nsproxy holds its
/// namespaces. The undo list is only compared.
fn common_contexts(mine: &unshare_task_contexts, its: &unshare_task_contexts) -> Contexts {
    let mut common = Contexts::empty();
    for (context, is_common) in [
        (Context::Fs, mine.fs == its.fs),
        (Context::Files, mine.files == its.files),
        (
            Context::Sysvsem,
            !mine.undo_list.is_null() && mine.undo_list == its.undo_list,
        ),
        (
            Context::User,
            !its.nsproxy.is_null() && mine.user_ns == its.user_ns,
        ),
    ] {
        if is_common {
            common |= context;
        }
    }
    match (NonNull::new(mine.nsproxy), NonNull::new(its.nsproxy)) {
        // For speed: most tasks use the same nsproxy.
        (Some(mine), Some(its)) if mine == its => common | Contexts::NSPROXY,
        // SAFETY: The running task keeps its nsproxy. The other task is locked, and keeps its own.
        (Some(mine), Some(its)) => common | unsafe { nsproxy::common(mine, its) },
        _ => common,
    }
}

/// A task that is valid for as long as the RCU read lock is held.
///
/// # Invariants
///
/// `task` was found under the RCU read lock that `'a` borrows, or is the running task.
#[derive(PartialEq)]
struct Task<'a> {
    task: *mut bindings::task_struct,
    _rcu: PhantomData<&'a rcu::Guard>,
}

impl Task<'_> {
    /// Compares mm and signal handlers. Follows no pointer, so it needs no lock.
    fn common_memory(&self, running: &Self) -> Contexts {
        let mut common = Contexts::empty();
        // SAFETY: By the type invariant, both tasks are valid.
        unsafe {
            if unshare_uses_mm_of(self.task, running.task) {
                common |= Context::Vm;
            }
            if unshare_uses_sighand_of(self.task, running.task) {
                common |= Context::Sighand;
            }
        }
        common
    }

    /// Reads the pointers, which may be followed only if the task is locked or the running one.
    fn contexts(&self) -> unshare_task_contexts {
        // SAFETY: By the type invariant, the task is valid.
        unsafe { unshare_task_contexts(self.task) }
    }

    fn lock(&self) -> task::Guard<'_> {
        // SAFETY: By the type invariant, the task is valid for as long as it is borrowed.
        unsafe { task::lock(self.task) }
    }
}

/// Iterates over all threads of all processes except PID 0; kernel threads only if `has_kthreads`.
///
/// Mirrors `for_each_process_thread()`. Follows the lists only when the next task is requested, so
/// that the caller reads a task before the iterator reads the task's successor.
///
/// # Invariants
///
/// `process` and `thread` were found under the RCU read lock that `'a` borrows. `thread` is the
/// task that was returned last, or null.
struct Tasks<'a> {
    process: *mut bindings::task_struct,
    thread: *mut bindings::task_struct,
    has_kthreads: bool,
    rcu: PhantomData<&'a rcu::Guard>,
}

impl<'a> Tasks<'a> {
    fn new(_rcu: &'a rcu::Guard, has_kthreads: bool) -> Self {
        // INVARIANT: `init_task` is never freed.
        Self {
            process: &raw mut bindings::init_task,
            thread: ptr::null_mut(),
            has_kthreads,
            rcu: PhantomData,
        }
    }
}

impl<'a> Iterator for Tasks<'a> {
    type Item = Task<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: By the type invariant, both are valid, and RCU permits following the lists.
        unsafe {
            if !self.thread.is_null() {
                self.thread = unshare_next_thread(self.thread);
            }
            if self.thread.is_null() {
                loop {
                    self.process = unshare_next_process(self.process);
                    if ptr::eq(self.process, &raw const bindings::init_task) {
                        return None;
                    }
                    if self.has_kthreads || !unshare_is_kthread(self.process) {
                        break;
                    }
                }
                // The group leader is the first in the list of its threads (`copy_process()`). If
                // it became that by execve(2), the threads before it are exiting (`de_thread()`).
                self.thread = self.process;
            }
        }
        // INVARIANT: Found under the RCU read lock.
        Some(Task {
            task: self.thread,
            _rcu: PhantomData,
        })
    }
}
