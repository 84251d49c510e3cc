// SPDX-License-Identifier: GPL-2.0

//! What other tasks have in common with the running one.
//!
//! A count of more than one need not mean another task that uses the context: a reader of `/proc/PID` holds
//! an mm for a moment, and a task that leaves gives its count back a moment later. So the other users are
//! looked for among all tasks, much as `current_is_single_threaded()` does.

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

/// Returns which of the `wanted` contexts another task uses too at this moment.
pub(super) fn shared_contexts(current: &Current, wanted: Contexts) -> Contexts {
    let wanted = wanted.without(own_contexts(current));
    // `own_contexts()` has counted the threads: if this one is still wanted, there are others.
    let mut shared = wanted & Context::Thread;
    if wanted.without(shared).is_empty() {
        return shared;
    }
    // For speed: a request about memory alone locks no task, and passes over kernel threads, which share
    // neither mm nor handlers with a program.
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
        // Where the task has left its mm to exit, the iterator finds next whom it made before that.
        // SAFETY: A barrier needs nothing.
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

/// Returns the contexts that have no other user at all, so that there is no need to look for one.
fn own_contexts(current: &Current) -> Contexts {
    let task = current.as_ptr();
    // SAFETY: The task runs: it has an mm and handlers, and only it replaces them and its undo list.
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

/// A task's fs, files and nsproxy are stable under its `task_lock`. The task holds its namespaces
/// for as long as it has an nsproxy. Its undo list is compared and not followed.
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
        // For speed: most tasks are in one set.
        (Some(mine), Some(its)) if mine == its => common | Contexts::NSPROXY,
        // SAFETY: The running task is in namespaces; the other task is locked, and holds its own.
        (Some(mine), Some(its)) => common | unsafe { nsproxy::common(mine, its) },
        _ => common,
    }
}

/// A task that is there for as long as the RCU read-side lock is held.
///
/// # Invariants
///
/// `task` was found under the lock that `'a` borrows, or is the running task.
#[derive(PartialEq)]
struct Task<'a> {
    task: *mut bindings::task_struct,
    _rcu: PhantomData<&'a rcu::Guard>,
}

impl Task<'_> {
    /// Compares pointers and follows none, so no lock is needed.
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

    /// What the pointers point to is stable where the task is locked, or is the running one.
    fn contexts(&self) -> unshare_task_contexts {
        // SAFETY: By the type invariant, the task is valid.
        unsafe { unshare_task_contexts(self.task) }
    }

    fn lock(&self) -> task::Guard<'_> {
        // SAFETY: By the type invariant, the task stays valid for as long as it is borrowed.
        unsafe { task::lock(self.task) }
    }
}

/// All threads of all processes but PID 0; kernel threads only if `has_kthreads`.
///
/// Mirrors `for_each_process_thread()`. The lists are followed when the next task is asked for and not
/// before, so that what the caller has read of a task was read before the task's successor.
///
/// # Invariants
///
/// `process` and `thread` were found under the lock that `'a` borrows. `thread` is the last one that
/// was handed out, or null.
struct Tasks<'a> {
    process: *mut bindings::task_struct,
    thread: *mut bindings::task_struct,
    has_kthreads: bool,
    rcu: PhantomData<&'a rcu::Guard>,
}

impl<'a> Tasks<'a> {
    fn new(_rcu: &'a rcu::Guard, has_kthreads: bool) -> Self {
        // INVARIANT: The first task of all never ends.
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
        // SAFETY: By the type invariant, and the lists may be followed under RCU.
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
                // The group leader is the first in the list of its threads (`copy_process()`). If it
                // became leader by execve(2), the threads before it are about to end (`de_thread()`).
                self.thread = self.process;
            }
        }
        // INVARIANT: Found under the lock.
        Some(Task {
            task: self.thread,
            _rcu: PhantomData,
        })
    }
}
