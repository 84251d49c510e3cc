// SPDX-License-Identifier: GPL-2.0

//! All of a request or nothing of it.

use crate::{
    attach,
    contexts::{
        credentials,
        files::{
            self,
            Files, //
        },
        fs,
        namespaces::{
            self,
            Namespaces, //
        },
        sighand,
        sysvsem::{
            self,
            UndoList, //
        },
        vm::{
            self,
            Vm, //
        },
        Context,
        Contexts, //
    },
    failure::Failure,
    request::Request,
    sys::{
        cred::Cred,
        fs_struct::FsStruct,
        mm::Copied,
        nsproxy::perf_event_namespaces,
        sighand::Sighand,
        task::Current, //
    },
};

/// What a request replaces, ready, and seen by nobody: all but the address space.
///
/// What its drop does that anyone can see: nothing. Each field says why at its own type. They go in
/// the order in which they stand: namespaces before the credentials that own them, since what is
/// counted for a namespace is given back through the user namespace that owns it.
pub(crate) struct Prepared {
    namespaces: Option<Namespaces>,
    credentials: Option<Cred>,
    sighand: Option<Sighand>,
    files: Option<Files>,
    fs: Option<FsStruct>,
    undo_list: Option<UndoList>,
    needs_vm: bool,
}

impl Prepared {
    /// Does what can fail: copies, what is attached to them, and then what is new in them.
    ///
    /// The first failure ends it, and what was prepared until then is released. Which one that is
    /// where there are several, is the table in [`crate::request`].
    pub(crate) fn new(current: &Current, request: &Request) -> Result<Self, Failure> {
        let attaches = !request.attach.is_empty();
        let may_unshare = || {
            credentials::check_permitted(request)?;
            request.check(current.has_threads())
        };
        // Before anything is allocated, where nothing comes before it.
        if !attaches {
            may_unshare()?;
        }
        let mut fs = fs::prepare(current, request)?;
        let mut credentials = credentials::prepare(request)?;
        let attached = attach::prepare(current, request, credentials.as_mut(), fs.as_mut())?;
        if attaches {
            may_unshare()?;
        }
        let shared = current.shared_contexts(request.unshare & (Context::Vm | Context::Sighand));
        let undo_list = sysvsem::prepare(current, request);
        let files = files::prepare(current, request)?;
        let sighand = sighand::prepare(shared)?;
        credentials::unshare(request, credentials.as_mut())?;
        let namespaces = namespaces::prepare(
            current,
            request,
            credentials.as_ref(),
            fs.as_mut(),
            attached,
        )?;
        if let Some(credentials) = &mut credentials {
            credentials
                .set_ucounts()
                .map_err(Failure::of(Context::User))?;
        }
        Ok(Self {
            namespaces,
            credentials,
            sighand,
            files,
            fs,
            undo_list,
            needs_vm: shared.contains(Context::Vm),
        })
    }

    /// Returns the contexts that the commit will replace.
    pub(crate) fn replaced(&self) -> Contexts {
        let Self {
            namespaces,
            credentials,
            sighand,
            files,
            fs,
            undo_list,
            needs_vm,
        } = self;
        let mut replaced = namespaces
            .as_ref()
            .map_or(Contexts::empty(), |set| set.replaced);
        for (context, is_replaced) in [
            (Context::User, credentials.is_some()),
            (Context::Sighand, sighand.is_some()),
            (Context::Files, files.as_ref().is_some_and(Files::replaces)),
            (Context::Fs, fs.is_some()),
            (Context::Sysvsem, undo_list.is_some()),
            (Context::Vm, *needs_vm),
        ] {
            if is_replaced {
                replaced |= context;
            }
        }
        replaced
    }

    /// Copies the address space: the last that can fail, when everything that the copy is to
    /// carry has been written.
    pub(crate) fn complete(self, current: &Current) -> Result<Complete<'_>, Failure> {
        let vm = self.needs_vm.then(|| vm::prepare(current)).transpose()?;
        Ok(Complete { vm, rest: self })
    }
}

/// Everything that a request replaces.
///
/// What its drop does that anyone can see: nothing. The parts of [`Vm`] say what they undo.
pub(crate) struct Complete<'a> {
    vm: Option<Vm<'a, Copied>>,
    rest: Prepared,
}

impl Complete<'_> {
    /// Replaces the contexts of the running task. It cannot fail.
    ///
    /// 1. The semaphore undo list is left, and the shared memory segments are disowned, while the
    ///    task is still in the IPC namespace where they are found: `exit_sem()`, `exit_shm()`.
    /// 2. The new namespaces become active before any task can be seen in them, since `/proc` and
    ///    `listns(2)` follow the nsproxy of a task to active ones only: `nsproxy_ns_active_get()`.
    /// 3. Who waits for the task to leave the old address space is told there, and the concurrency
    ///    id is given back to it: `mm_release()`, `sched_mm_cid_before_execve()`.
    /// 4. Namespaces, root and working directory, descriptor table, and address space change in one
    ///    section of `task_lock`, under which others read them: nobody sees a new mount namespace
    ///    with an old root. `switch_task_namespaces()`, `ksys_unshare()` and `exec_mmap()` have one
    ///    each.
    /// 5. The clocks of an attached time namespace are mapped into the address space that the task
    ///    has now: `timens_commit()`.
    /// 6. The signal handlers change under `tasklist_lock` and `siglock`, which must not nest with
    ///    `task_lock`: `unshare_sighand()`.
    /// 7. The credentials follow. They are read under RCU and have no part in `task_lock`; as they
    ///    come last, nobody is an administrator of the new user namespace with an old root:
    ///    `commit_creds()`.
    /// 8. Others may look into the memory again, and for PI futexes of the task; uprobes that were set
    ///    while it moved are set in its new memory; and the parent of a vfork child goes on, which
    ///    finds all of the above done: `futex_exec_done()`, `uprobe_mmap()`, `exec_mm_put_old()`,
    ///    `complete_vfork_done()`.
    /// 9. Descriptors in a table that stays are closed when the rest is done: closing runs what a
    ///    file system does on a close, and that with the new context: `close_range(2)`.
    /// 10. Who watches by perf is told: `perf_event_namespaces()`.
    ///
    /// What the task had before is released outside of the lock, each as soon as its step is done
    /// and the rest at the end, since the last reference to a mount namespace or a file may sleep.
    pub(crate) fn commit(self, current: &Current) {
        let Self {
            vm,
            rest:
                Prepared {
                    namespaces,
                    credentials,
                    sighand,
                    files,
                    fs,
                    undo_list,
                    needs_vm: _,
                },
        } = self;

        if let Some(undo_list) = undo_list {
            undo_list.commit(current);
        }
        let mut nsproxy = namespaces.map(|namespaces| namespaces.activate(current));

        let vm = vm.map(|vm| vm.leave(current));
        let (vm, left_files, _left_fs) = {
            let mut lock = current.lock();
            if let Some(nsproxy) = &mut nsproxy {
                nsproxy.install(&mut lock);
            }
            let left_files = files.map(|files| files.install(&mut lock));
            (
                vm.map(|vm| vm.switch(&mut lock)),
                left_files,
                fs.map(|fs| fs.install(&mut lock)),
            )
        };
        let vm = vm.map(Vm::settle);

        if let Some(nsproxy) = &nsproxy {
            nsproxy.join_clocks(current);
        }
        if let Some(mut sighand) = sighand {
            sighand.install(current);
        }
        if let Some(credentials) = credentials {
            credentials.commit(current);
        }
        if let Some(vm) = vm {
            vm.release();
        }
        if let Some(files) = &left_files {
            files.close_range(current);
        }
        perf_event_namespaces(current);
    }
}
