// SPDX-License-Identifier: GPL-2.0

//! All of a request or nothing of it.

mod commit;

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
        vm,
        Context,
        Contexts, //
    },
    failure::Failure,
    request::Request,
    sys::{
        cred::{
            Acting,
            Cred, //
        },
        fs_struct::FsStruct,
        mm::ExecUpdate,
        sighand::Sighand,
        task::Current, //
    },
};

pub(crate) use commit::Complete;

/// What a request replaces, ready, and seen by nobody: all but the address space.
///
/// Each field says at its own type what of its drop others can see. That is little: a mount namespace
/// that was made may have been found, and a user namespace that was made counts until a worker frees it
/// ([`crate::sys::nsproxy::ucounts`]). The fields go in the order in which they stand: namespaces before the credentials that own them, since what is
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
    /// The first failure ends it, and what was prepared until then is released. If a request has
    /// several faults, the table in [`crate::request`] says which one is reported.
    pub(crate) fn new(current: &Current, request: &Request) -> Result<Self, Failure> {
        let attaches = !request.attach.is_empty();
        let may_unshare = || {
            credentials::check_permitted(request)?;
            request.check(current.has_threads())
        };
        if !attaches {
            may_unshare()?;
        }
        let target = attach::take(current, request)?;
        let mut fs = fs::prepare(current, request)?;
        let (attached, set) = attach::install(current, request, target, fs.as_mut())?;
        if attaches {
            may_unshare()?;
        }
        let shared = current.shared_contexts(request.unshare & (Context::Vm | Context::Sighand));
        let undo_list = sysvsem::prepare(current, request);
        let files = files::prepare(current, request)?;
        let sighand = sighand::prepare(shared)?;
        let (new, namespaces) = {
            // What is made here looks at `current_cred()`, and two calls would find the attached ones.
            let _acting = attached.as_ref().map(Acting::with);
            let mut new = credentials::prepare(request)?;
            // For speed: most requests are about none, and what is returned is large.
            let wants_some = set.is_some() || request.unshare.contains_any(Contexts::NSPROXY);
            let namespaces = match wants_some {
                true => namespaces::prepare(
                    current,
                    request,
                    new.as_ref().or(attached.as_ref()),
                    fs.as_mut(),
                    set,
                )?,
                false => None,
            };
            if let Some(new) = &mut new {
                new.set_ucounts().map_err(Failure::of(Context::User))?;
            }
            (new, namespaces)
        };
        Ok(Self {
            namespaces,
            credentials: new.or(attached),
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
    ///
    /// Credentials change after the rest. If both do, `exec_update_lock` is held from the first change
    /// to the last: a task that attaches to this one holds it for reading. The wait is for tasks that
    /// read this one's memory or credentials, and hold the lock while their own page faults last; this
    /// one holds what is prepared, and no lock; a deadly signal ends it, or after a second `EBUSY`.
    ///
    /// For speed, what is prepared stays where it is until the commit: it is a dozen words to move.
    pub(crate) fn complete<'a>(
        &'a mut self,
        current: &'a Current,
        request: &Request,
    ) -> Result<Complete<'a>, Failure> {
        let vm = self.needs_vm.then(|| vm::prepare(current, request));
        let vm = vm.transpose()?;
        // A `Vm` holds the lock itself.
        let is_two_steps = self.credentials.is_some() && vm.is_none();
        let is_two_steps = is_two_steps && (self.namespaces.is_some() || self.fs.is_some());
        let update = is_two_steps
            .then(|| ExecUpdate::lock_in_time(current))
            .transpose();
        let update = update.map_err(Failure::of(Context::User))?;
        Ok(Complete {
            vm,
            update,
            rest: self,
        })
    }
}
