// SPDX-License-Identifier: GPL-2.0

//! The moment at which a request takes effect.

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

/// What the running task had before a commit, and what nobody needs for the way back.
///
/// Its drop releases that: the namespaces, then the descriptor table, then root and working directory. The
/// last put of a mount namespace, a file or a directory may sleep. If PID 1 has left the `fs_struct` that
/// kernel threads look paths up with, they find nothing from that drop on: `validate_fs_switch()`.
pub(crate) struct Replaced {
    _places: Swap<LeftFsStruct>,
    _files: Option<LeftFiles>,
}

impl Prepared {
    /// Replaces the contexts of the running task. It cannot fail.
    ///
    /// 1. Waiters on `clear_child_tid` are woken in the old address space, and the concurrency id is
    ///    given back to it: `mm_release()`, `sched_mm_cid_before_execve()`. This comes first, as in
    ///    `do_exit()`: the word's page was seen in place when the locks were taken, and the next step
    ///    may sleep.
    /// 2. The semaphore undo list is left, and the shared memory segments are disowned, while the
    ///    task is still in the IPC namespace where they are found: `exit_sem()`, `exit_shm()`.
    /// 3. The new namespaces become active before any task can be seen in them, since `/proc` and
    ///    `listns(2)` follow the nsproxy of a task to active ones only: `nsproxy_ns_active_get()`.
    /// 4. Namespaces, root and working directory, descriptor table, and address space change in one
    ///    section of `task_lock`, under which others read them: nobody sees a new mount namespace
    ///    with an old root. `switch_task_namespaces()`, `ksys_unshare()` and `exec_mmap()` have one
    ///    each.
    /// 5. The clocks of an attached time namespace are mapped into the address space that the task
    ///    has now: `timens_commit()`.
    /// 6. The signal handlers change under `tasklist_lock` and `siglock`, which must not nest with
    ///    `task_lock`: `unshare_sighand()`.
    /// 7. The credentials follow. They are read under RCU and have no part in `task_lock`; as they
    ///    come after 4, nobody is an administrator of the new user namespace with an old root:
    ///    `commit_creds()`. Nothing after this step looks at the credentials of before.
    /// 8. Others may look into the memory again, and for PI futexes of the task; the parent of a vfork
    ///    child goes on, which finds all of the above done; and uprobes that were set while the task
    ///    moved are set in its new memory: `futex_exec_done()`, `complete_vfork_done()`, `uprobe_mmap()`,
    ///    `exec_mm_put_old()`.
    /// 9. Descriptors in a table that stays are closed when the rest is done: closing runs what a
    ///     file system does on a close, and that with the new context: `close_range(2)`. A file system
    ///     may make that last.
    /// 10. Observers by perf are notified: `perf_event_namespaces()`.
    ///
    /// The caller gets what the task had, and drops it while it holds no lock. A plain request drops it at
    /// once.
    pub(super) fn commit<'a>(
        &mut self,
        current: &'a Current,
        vm: Option<Vm<'a, Copied>>,
        update: Option<ExecUpdate<'a>>,
    ) -> Replaced {
        // Without `..`: a context that is added and not committed does not compile.
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

        if joins_clocks {
            join_time_ns(current);
        }
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
