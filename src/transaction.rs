// SPDX-License-Identifier: GPL-2.0

//! A request as a transaction: prepare everything, then commit.

mod commit;
pub(crate) mod swap;

use kernel::{
    bindings,
    error::Error,
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

/// The new contexts of a request, except the address space. No task uses them yet.
///
/// What other tasks can notice of the drop is documented at the type of each field. Another task may have
/// found a new mount namespace, and a new user namespace counts towards its limit until a worker frees it
/// (`sys/nsproxy/ucounts.rs`). Fields are dropped in the order of their declaration. Namespaces must come
/// before the credentials: the count of a namespace is given back through the user namespace that owns it.
///
/// For speed, this value is never moved: it is about a dozen words long.
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
    /// Takes every step that can fail, except the answer, the copy of the address space and the locks.
    ///
    /// 1. Without an attach half: check the flags of the unshare half. Mirrors `check_unshare_flags()`.
    /// 2. With an attach half: pin the target's contexts. This step may wait for the target, so it comes
    ///    before any copy that a sibling of the caller could make stale.
    /// 3. Install the pinned contexts into copies: the namespaces, then the directories. Then check the flags
    ///    of the unshare half. Mirrors `validate_nsset()`.
    /// 4. Copy the contexts that the caller shares. Mirrors `unshare_fs()` and `unshare_fd()`.
    /// 5. Make the new namespaces, with the attached credentials in force. Mirrors `unshare_userns()`,
    ///    `unshare_nsproxy_namespaces()` and `set_cred_ucounts()`.
    ///
    /// After the first failure, the caller drops `self`, which releases everything prepared so far. The table in
    /// [`crate::request`] says which fault is reported if there are several.
    pub(crate) fn prepare(&mut self, current: &Current, request: &Request) -> Result<(), Failure> {
        // For speed: no step below does anything for such a request.
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
        // Another thread with the same credentials could enter failfs without no_new_privs.
        if request.hold && self.fs.as_ref().is_some_and(FsStruct::is_on_failfs) {
            let errno = Error::from_errno(-(bindings::EOPNOTSUPP as i32));
            return Err(Failure::of(Context::Fs)(errno));
        }
        self.replaced = self.contexts();
        // A task that enters leaves its list only if the IPC namespace changes.
        if request.hold && !self.replaced.contains(Context::Ipc) {
            self.replaced = self.replaced.without(Context::Sysvsem.into());
        }
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
            // The functions below read `current_cred()`. It must return the attached credentials, as after a
            // separate setns(2).
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

    /// Moves the namespaces and directories into a file of a [`Held`], which threads can enter. Replaces the
    /// commit.
    ///
    /// A semaphore undo list is not held: each task that enters another IPC namespace leaves its own list.
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

    /// Copies the address space, takes the locks, and commits unless this is a dry run.
    ///
    /// The caller has written the out fields before, so that the copy has them.
    ///
    /// The commit changes the credentials after the other contexts. If it also changes namespaces or
    /// directories, it holds `exec_update_lock` from the first change to the last, because a task that attaches
    /// to this one holds that lock for reading. Taking the lock waits for tasks that read this one's memory or
    /// credentials and hold the lock during their own page faults. This task holds no other lock meanwhile. A
    /// fatal signal ends the wait; after a second, it fails with `EBUSY`.
    pub(crate) fn finish(&mut self, current: &Current, request: &Request) -> Result<(), Failure> {
        // `replaced` is also empty for a close range in a private table, and for namespaces that the task is
        // already in: both need a commit.
        if self.replaced.is_empty() && self.files.is_none() && self.namespaces.is_none() {
            // `ksys_unshare()` notifies perf even if nothing changes.
            if !request.dry_run {
                perf_event_namespaces(current);
            }
            return Ok(());
        }
        let vm = match self.needs_vm {
            true => Some(vm::prepare(current, request)?),
            false => None,
        };
        // `Vm` holds the lock already.
        let is_two_steps = self.credentials.is_some() && vm.is_none();
        let update = match is_two_steps && (self.namespaces.is_some() || self.fs.is_some()) {
            true => Some(ExecUpdate::lock_in_time(current).map_err(Failure::of(Context::User))?),
            false => None,
        };
        if !request.dry_run {
            // Releases the old contexts.
            drop(self.commit(current, vm, update));
        }
        Ok(())
    }
}
