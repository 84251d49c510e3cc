// SPDX-License-Identifier: GPL-2.0

//! The commit: the steps by which a request takes effect.

use super::{
    swap::Swap,
    Prepared, //
};
use crate::{
    contexts::{
        files::LeftFiles,
        vm::Vm, //
    },
    sys::{
        fs_struct::LeftFsStruct,
        mm::{
            Copied,
            ExecUpdate, //
        },
        nsproxy::{
            join_time_ns,
            perf_event_namespaces, //
        },
        task::Current, //
    }, //
};

/// The namespaces, directories and descriptor table that the running task had before a commit.
///
/// The drop releases the namespaces, then root and working directory, then the descriptor table. It may sleep in
/// the last put of a mount namespace, a directory or a file. Kernel threads look up paths with the `fs_struct` of
/// PID 1 (7.3): if PID 1 has left it, the drop makes them find no files, as `validate_fs_switch()` does.
pub(crate) struct Replaced {
    _places: Swap<LeftFsStruct>,
    _files: Option<LeftFiles>,
}

impl Prepared {
    /// Replaces the contexts of the running task. Cannot fail.
    ///
    /// 1. Wake the waiters on `clear_child_tid` in the old address space, and give the concurrency ID
    ///    back to it. This comes first, as in `do_exit()`: the next step may sleep, and the page of that word
    ///    may then be discarded. Mirrors `mm_release()` and `sched_mm_cid_before_execve()`.
    /// 2. Leave the semaphore undo list and disown the shared memory segments while the task is still in
    ///    the IPC namespace that has them. Mirrors `exit_sem()` and `exit_shm()`.
    /// 3. Make the new namespaces active before the task can be seen in them: `/proc` and `listns(2)`
    ///    follow the nsproxy of a task to active namespaces only. Mirrors `nsproxy_ns_active_get()`.
    /// 4. Change namespaces, root and working directory, descriptor table and address space in one
    ///    section of `task_lock`. Other tasks read them under that lock, so none sees a new mount
    ///    namespace with an old root. `switch_task_namespaces()`, `ksys_unshare()` and `exec_mmap()` have
    ///    one section each.
    /// 5. Change the signal handlers under `tasklist_lock` and `siglock`, which must not nest with
    ///    `task_lock`. Mirrors `unshare_sighand()`.
    /// 6. Change the credentials. Other tasks read them under RCU, so they cannot be part of step 4. They
    ///    change after it, so that no task has the capabilities of the new user namespace with an old
    ///    root. No later step uses the old credentials. Mirrors `commit_creds()`.
    /// 7. Let other tasks access the memory and wait for the task's PI futexes again; wake the parent of
    ///    a vfork child, which then finds all of the above done; and insert the uprobes that were
    ///    registered during the switch into the new memory. Mirrors `futex_exec_done()`,
    ///    `complete_vfork_done()`, `uprobe_mmap()` and `exec_mm_put_old()`.
    /// 8. Map the clocks of an attached time namespace into the address space that the task has now. This
    ///    waits for the `mmap_lock` of that address space. A task that holds it may wait for the vfork parent, or for
    ///    a task that accesses the memory, so this follows step 7. Mirrors `timens_commit()`.
    /// 9. Close the range in a table that stays, as `close_range(2)` does. Closing calls file systems, which
    ///    may take long and must find the new contexts.
    /// 10. Notify perf: `perf_event_namespaces()`.
    ///
    /// Returns the old namespaces, directories and descriptor table. The caller must drop them while it holds no
    /// lock; a plain request does so at once.
    pub(super) fn commit<'a>(
        &mut self,
        current: &'a Current,
        vm: Option<Vm<'a, Copied>>,
        update: Option<ExecUpdate<'a>>,
    ) -> Replaced {
        // Without `..`, so that a new context that is not committed does not compile.
        let Self {
            namespaces,
            credentials,
            sighand,
            files,
            fs,
            undo_list,
            needs_vm: _,
            replaced: _,
        } = self;

        let vm = vm.map(|vm| vm.leave(current));
        if let Some(undo_list) = undo_list.take() {
            undo_list.commit(current);
        }
        let namespaces = namespaces.take();
        let joins_clocks = namespaces.as_ref().is_some_and(|set| set.joins_clocks);
        let places = Swap {
            nsproxy: namespaces.map(|namespaces| namespaces.activate(current)),
            fs: fs.take(),
        };

        let (places, files, vm) = {
            let mut lock = current.lock();
            (
                places.install(&mut lock),
                files.take().map(|files| files.install(&mut lock)),
                vm.map(|vm| vm.switch(&mut lock)),
            )
        };
        let vm = vm.map(Vm::settle);

        if let Some(mut sighand) = sighand.take() {
            sighand.install(current);
        }
        if let Some(credentials) = credentials.take() {
            credentials.commit(current);
        }
        drop(update);
        if let Some(vm) = vm {
            vm.release();
        }
        if joins_clocks {
            join_time_ns(current);
        }
        if let Some(files) = &files {
            files.close_range(current);
        }
        perf_event_namespaces(current);
        Replaced {
            _places: places,
            _files: files,
        }
    }
}
