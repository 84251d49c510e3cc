// SPDX-License-Identifier: GPL-2.0

//! All of a request or nothing of it.

use crate::{
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
        sysvsem::{
            self,
            UndoList, //
        },
        Context,
        Contexts, //
    },
    failure::Failure,
    request::Request,
    sys::{
        cred::Cred,
        fs_struct::FsStruct,
        nsproxy::perf_event_namespaces,
        task::Current, //
    },
};

/// Everything that a request replaces, ready, and seen by nobody.
///
/// Dropping it undoes the preparation; the fields go in the order in which they stand, namespaces
/// before the credentials that own them.
pub(crate) struct Prepared {
    namespaces: Option<Namespaces>,
    credentials: Option<Cred>,
    files: Option<Files>,
    fs: Option<FsStruct>,
    undo_list: Option<UndoList>,
}

impl Prepared {
    /// Does all that can fail, in the order in which `ksys_unshare()` does it.
    ///
    /// The first failure ends it, and what was prepared until then is released.
    pub(crate) fn new(current: &Current, request: &Request) -> Result<Self, Failure> {
        credentials::check_permitted(request)?;
        request.check(current.has_threads(), |contexts| {
            current.shared_contexts(contexts)
        })?;

        let undo_list = sysvsem::prepare(current, request);
        let mut fs = fs::prepare(current, request)?;
        let files = files::prepare(current, request)?;
        let mut credentials = credentials::prepare(request)?;
        let namespaces = namespaces::prepare(current, request, credentials.as_ref(), fs.as_mut())?;
        if let Some(credentials) = &mut credentials {
            credentials
                .set_ucounts()
                .map_err(Failure::of(Context::User))?;
        }
        Ok(Self {
            namespaces,
            credentials,
            files,
            fs,
            undo_list,
        })
    }

    /// Returns the contexts that [`Self::commit`] replaces.
    pub(crate) fn replaced(&self) -> Contexts {
        let Self {
            namespaces,
            credentials,
            files,
            fs,
            undo_list,
        } = self;
        let mut replaced = namespaces.as_ref().map_or(Contexts::empty(), |set| set.new);
        for (context, is_replaced) in [
            (Context::User, credentials.is_some()),
            (Context::Files, files.as_ref().is_some_and(Files::replaces)),
            (Context::Fs, fs.is_some()),
            (Context::Sysvsem, undo_list.is_some()),
        ] {
            if is_replaced {
                replaced |= context;
            }
        }
        replaced
    }

    /// Replaces the contexts of the running task. It cannot fail.
    ///
    /// 1. The semaphore undo list is left, and the shared memory segments are disowned, while the
    ///    task is still in the IPC namespace where they are found: `exit_sem()`, `exit_shm()`.
    /// 2. The new namespaces become active before any task can be seen in them, since `/proc` and
    ///    `listns(2)` follow the nsproxy of a task to active ones only: `nsproxy_ns_active_get()`.
    /// 3. Namespaces, root and working directory, and descriptor table change in one section of
    ///    `task_lock`, under which others read them: nobody sees a new mount namespace with an old
    ///    root. `switch_task_namespaces()` and `ksys_unshare()` have two sections.
    /// 4. The credentials follow. They are read under RCU and have no part in `task_lock`; as they
    ///    come last, nobody is an administrator of the new user namespace with an old root:
    ///    `commit_creds()`.
    /// 5. Descriptors in a table that stays are closed when the rest is done: closing runs what a
    ///    file system does on a close, and that with the new context: `close_range(2)`.
    /// 6. Who watches by perf is told: `perf_event_namespaces()`.
    ///
    /// What the task had before is released at the end, outside of the lock, since the last
    /// reference to a mount namespace or a file may sleep.
    pub(crate) fn commit(self, current: &Current) {
        let Self {
            namespaces,
            credentials,
            mut files,
            fs,
            undo_list,
        } = self;

        if let Some(undo_list) = undo_list {
            undo_list.commit(current);
        }
        let mut nsproxy = namespaces.map(|namespaces| namespaces.activate(current));

        let _unused_fs = {
            let mut lock = current.lock();
            if let Some(nsproxy) = &mut nsproxy {
                nsproxy.install(&mut lock);
            }
            if let Some(files) = &mut files {
                files.install(&mut lock);
            }
            fs.and_then(|fs| fs.install(&mut lock))
        };

        if let Some(credentials) = credentials {
            credentials.commit(current);
        }
        if let Some(files) = &files {
            files.close_range(current);
        }
        perf_event_namespaces(current);
    }
}
