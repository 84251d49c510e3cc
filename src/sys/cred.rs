// SPDX-License-Identifier: GPL-2.0

//! Credentials in the making, and user namespaces.
//!
//! C header: [`include/linux/cred.h`](srctree/include/linux/cred.h).

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

use super::{
    bindings::{
        unshare_create_user_ns,
        unshare_cred_user_ns,
        unshare_has_admin,
        unshare_is_admin,
        unshare_set_cred_ucounts,
        unshare_task_user_ns,
        unshare_userns_clone_is_restricted, //
    },
    task::Current,
    ucounts::give_back_of_user_ns,
};

/// Credentials that no task has yet.
///
/// What its drop does that anyone can see: nothing. The processes of a user are counted by
/// `commit_creds()` only, and the count of a user namespace that was made goes with it
/// ([`super::ucounts`]).
///
/// # Invariants
///
/// Owns one reference to credentials that nobody else knows. Where `owns_user_ns`, their user
/// namespace is theirs alone.
pub(crate) struct Cred {
    cred: NonNull<bindings::cred>,
    owns_user_ns: bool,
}

impl Cred {
    /// Copies the credentials of the running task. Mirrors `prepare_creds()`. Fails with `ENOMEM`.
    pub(crate) fn dup() -> Result<Self> {
        // SAFETY: The running task may always copy its credentials.
        let cred = unsafe { bindings::prepare_creds() };
        // INVARIANT: `prepare_creds` gave us the only reference. The user namespace is the task's.
        Ok(Self {
            cred: NonNull::new(cred).ok_or(ENOMEM)?,
            owns_user_ns: false,
        })
    }

    /// Puts the credentials into a new user namespace, below the one that they are in.
    ///
    /// Mirrors `create_user_ns()`. Fails with `ENOMEM`; `ENOSPC` where the nesting or
    /// `user.max_user_namespaces` is exhausted; `EPERM` in a chroot, without a mapping of the
    /// caller, or when a security module says so.
    pub(crate) fn create_user_ns(&mut self) -> Result {
        // SAFETY: The credentials are valid, and nobody else sees them change.
        to_result(unsafe { unshare_create_user_ns(self.cred.as_ptr()) })?;
        // INVARIANT: The user namespace is new.
        self.owns_user_ns = true;
        Ok(())
    }

    pub(super) fn as_ptr(&self) -> *const bindings::cred {
        self.cred.as_ptr()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut bindings::cred {
        self.cred.as_ptr()
    }

    /// Returns the user namespace of the credentials.
    pub(crate) fn user_ns(&self) -> UserNs<'_> {
        // SAFETY: By the type invariant, the credentials are valid, and they hold a reference to
        // their user namespace.
        let user_ns = unsafe { unshare_cred_user_ns(self.cred.as_ptr()) };
        UserNs(user_ns, PhantomData)
    }

    /// Finds the counters that the credentials are charged to.
    ///
    /// Mirrors `set_cred_ucounts()`. Fails with `EAGAIN`.
    pub(crate) fn set_ucounts(&mut self) -> Result {
        // SAFETY: The credentials are valid, and nobody else sees them change.
        to_result(unsafe { unshare_set_cred_ucounts(self.cred.as_ptr()) })
    }

    /// Makes them the credentials of the running task.
    ///
    /// Mirrors `commit_creds()`, which cannot fail and releases the old ones.
    pub(crate) fn commit(self, _current: &Current) {
        let cred = ManuallyDrop::new(self).cred;
        // SAFETY: The reference moves to the task, which runs with its own credentials: an ioctl
        // is not called with overridden ones.
        unsafe { bindings::commit_creds(cred.as_ptr()) };
    }
}

impl Drop for Cred {
    fn drop(&mut self) {
        let cred = self.cred.as_ptr();
        if self.owns_user_ns {
            // SAFETY: By the type invariant, the user namespace is valid, and nobody else's. What
            // was made below it has been dropped before, with its counts: `Prepared` says so.
            unsafe { give_back_of_user_ns(unshare_cred_user_ns(cred)) };
        }
        // SAFETY: By the type invariant, the reference is ours to give back.
        unsafe { bindings::abort_creds(cred) };
    }
}

/// A user namespace, held by the credentials that it is borrowed from.
#[derive(Clone, Copy)]
pub(crate) struct UserNs<'a>(*mut bindings::user_namespace, PhantomData<&'a Cred>);

impl<'a> UserNs<'a> {
    /// Returns the user namespace of the running task.
    ///
    /// Mirrors `current_user_ns()`.
    pub(crate) fn of(current: &'a Current) -> Self {
        // SAFETY: Only the task itself replaces its credentials, and it holds them meanwhile.
        let user_ns = unsafe { unshare_task_user_ns(current.as_ptr()) };
        Self(user_ns, PhantomData)
    }

    pub(super) fn as_ptr(self) -> *mut bindings::user_namespace {
        self.0
    }

    /// Returns whether the running task may make namespaces that belong to this one.
    ///
    /// Mirrors `ns_capable()` with `CAP_SYS_ADMIN`.
    pub(crate) fn has_admin(self) -> bool {
        // SAFETY: The namespace is valid while it is borrowed.
        unsafe { unshare_has_admin(self.0) }
    }
}

/// Returns whether a user namespace takes an administrator, by Debian's sysctl
/// `kernel.unprivileged_userns_clone`.
pub(crate) fn clone_user_ns_is_restricted() -> bool {
    // SAFETY: The function only reads a variable of the kernel.
    unsafe { unshare_userns_clone_is_restricted() }
}

/// Returns whether the running task may make a user namespace, as far as that sysctl is concerned.
pub(crate) fn may_clone_user_ns() -> bool {
    // SAFETY: The function looks at the running task.
    !clone_user_ns_is_restricted() || unsafe { unshare_is_admin() }
}
