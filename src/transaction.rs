// SPDX-License-Identifier: GPL-2.0

//! All of a request or nothing of it.

mod commit;
pub(crate) mod swap;

use kernel::{
    fs::File,
    sync::aref::ARef, //
};

use crate::{
    attach::{
        self,
        Attached, //
    },
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
        vm,
        Context,
        Contexts, //
    },
    failure::Failure,
    held::Held,
    request::Request,
    sys::{
        cred::{
            Acting,
            Cred, //
        },
        fs_struct::FsStruct,
        mm::ExecUpdate,
        nsproxy::perf_event_namespaces,
        sighand::Sighand,
        task::Current, //
    },
};

/// What a request replaces, ready, and seen by nobody: all but the address space.
///
/// Each field says at its own type what of its drop others can see. That is little: a mount namespace
/// that was made may have been found, and a user namespace that was made counts until a worker frees it
/// (`sys/nsproxy/ucounts.rs`). The fields go in the order in which they stand: namespaces before
/// the credentials that own them, since what is counted for a namespace is given back through the user
/// namespace that owns it.
///
/// For speed it never moves: it has a dozen words.
#[derive(Default)]
pub(crate) struct Prepared {
    namespaces: Option<Namespaces>,
    credentials: Option<Cred>,
    sighand: Option<Sighand>,
    files: Option<Files>,
    fs: Option<FsStruct>,
    undo_list: Option<UndoList>,
    needs_vm: bool,
    /// The contexts that the commit will replace.
    pub(crate) replaced: Contexts,
}

impl Prepared {
    /// Does what can fail, save the copy of the address space.
    ///
    /// 1. Without an attach half, the checks that need no look at anything: `check_unshare_flags()`.
    /// 2. What is attached is pinned. This waits for the target, and so comes before anything is
    ///    copied that a sibling could change meanwhile.
    /// 3. What was pinned is put into copies: `validate_nsset()`, then the directories. With an attach
    ///    half, the checks of the unshare half follow here.
    /// 4. The copies of what the task shares: `unshare_fs()`, `unshare_fd()`.
    /// 5. New namespaces out of those, with the attached credentials in force: `unshare_userns()`,
    ///    `unshare_nsproxy_namespaces()`, `set_cred_ucounts()`.
    ///
    /// The first failure ends it, and the drop releases what was prepared until then. If a request has
    /// several faults, the table in [`crate::request`] says which one is reported.
    pub(crate) fn prepare(&mut self, current: &Current, request: &Request) -> Result<(), Failure> {
        // For speed: nothing below applies.
        if (request.unshare | request.attach).is_empty() {
            return Ok(());
        }
        let may_unshare = || {
            credentials::check_permitted(request)?;
            request.check(|| current.has_threads())
        };
        let mut attached = Attached::default();
        if request.attach.is_empty() {
            may_unshare()?;
            self.fs = fs::prepare(current, request)?;
        } else {
            let target = attach::take(current, request)?;
            self.fs = fs::prepare(current, request)?;
            attached = attach::install(current, request, &target, self.fs.as_mut())?;
            may_unshare()?;
        }
        let shared = current.shared_contexts(request.unshare & (Context::Vm | Context::Sighand));
        self.needs_vm = shared.contains(Context::Vm);
        self.undo_list = sysvsem::prepare(current, request);
        self.files = files::prepare(current, request)?;
        self.sighand = sighand::prepare(shared)?;
        if (request.attach | request.unshare).contains_any(Contexts::NAMESPACES) {
            self.prepare_namespaces(current, request, attached)?;
        }
        self.replaced = self.contexts();
        Ok(())
    }

    /// Makes namespaces, and the credentials that own them.
    fn prepare_namespaces(
        &mut self,
        current: &Current,
        request: &Request,
        attached: Attached,
    ) -> Result<(), Failure> {
        let attached_set = attached.set;
        let attached = attached.credentials;
        let (new, counted) = {
            // What is made here looks at `current_cred()`, and two calls would find the attached ones.
            let _acting = attached.as_ref().map(Acting::with);
            let mut new = credentials::prepare(request)?;
            self.namespaces = namespaces::prepare(
                current,
                request,
                new.as_ref().or(attached.as_ref()),
                self.fs.as_mut(),
                attached_set,
            )?;
            let counted = new.as_mut().map_or(Ok(()), Cred::set_ucounts);
            (new, counted)
        };
        self.credentials = new.or(attached);
        counted.map_err(Failure::of(Context::User))
    }

    /// Returns the contexts that have been prepared.
    fn contexts(&self) -> Contexts {
        let Self {
            namespaces,
            credentials,
            sighand,
            files,
            fs,
            undo_list,
            needs_vm,
            replaced: _,
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

    /// Makes of it a file that threads can enter, instead of a commit.
    ///
    /// Of the semaphores nothing is kept: a task that enters another IPC namespace leaves its own list.
    pub(crate) fn hold(
        &mut self,
        current: &Current,
        request: &Request,
    ) -> Result<ARef<File>, Failure> {
        let kinds = request.unshare | request.attach;
        let set = self.namespaces.take().map(|set| set.hold(kinds));
        let set = set.transpose().map_err(Failure::of_arguments)?;
        Held::file(current, set, self.fs.take(), kinds).map_err(Failure::of_arguments)
    }

    /// Copies the address space, the last that can fail, when everything that the copy is to carry has
    /// been written; and, unless it is a dry run, has all of the request take effect.
    ///
    /// Credentials change after the rest. If both do, `exec_update_lock` is held from the first change
    /// to the last: a task that attaches to this one holds it for reading. The wait is for tasks that
    /// read this one's memory or credentials, and hold the lock while their own page faults last; this
    /// one holds what is prepared, and no lock; a deadly signal ends it, or after a second `EBUSY`.
    pub(crate) fn finish(&mut self, current: &Current, request: &Request) -> Result<(), Failure> {
        // A close range replaces nothing, nor do namespaces that the task already is in.
        if self.replaced.is_empty() && self.files.is_none() && self.namespaces.is_none() {
            // As `ksys_unshare()`, which tells perf even if nothing changes.
            if !request.dry_run {
                perf_event_namespaces(current);
            }
            return Ok(());
        }
        let vm = match self.needs_vm {
            true => Some(vm::prepare(current, request)?),
            false => None,
        };
        // A `Vm` holds the lock itself.
        let is_two_steps = self.credentials.is_some() && vm.is_none();
        let update = match is_two_steps && (self.namespaces.is_some() || self.fs.is_some()) {
            true => Some(ExecUpdate::lock_in_time(current).map_err(Failure::of(Context::User))?),
            false => None,
        };
        if !request.dry_run {
            // What the task had is released here.
            drop(self.commit(current, vm, update));
        }
        Ok(())
    }
}
