// SPDX-License-Identifier: GPL-2.0

//! Credentials that a request prepares, and references to user namespaces.
//!
//! C header: [`include/linux/cred.h`](srctree/include/linux/cred.h).

mod kept;

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    cred::Credential,
    error::to_result,
    prelude::*,
    types::NotThreadSafe, //
};

use super::{
    bindings::{
        unshare_create_user_ns,
        unshare_current_cred,
        unshare_get_user_ns,
        unshare_has_admin,
        unshare_is_admin,
        unshare_override_creds,
        unshare_put_user_ns,
        unshare_ref_user_ns,
        unshare_revert_creds,
        unshare_set_cred_ucounts,
        unshare_userns_clone_is_restricted, //
    },
    task::Current, //
};

pub(crate) use self::kept::KeptCred;

/// Credentials that no task has yet.
///
/// Dropping them changes nothing that a task can see, except that a user namespace that was created
/// for them counts towards `user.max_user_namespaces` until a worker frees it
/// (`sys/nsproxy/ucounts.rs`). Only `commit_creds()` charges processes to a user.
///
/// # Invariants
///
/// Owns the only reference to the credentials.
pub(crate) struct Cred(NonNull<bindings::cred>);

impl Cred {
    /// Copies the credentials of the running task. Mirrors `prepare_creds()`. Fails with `ENOMEM`.
    pub(crate) fn dup() -> Result<Self> {
        // SAFETY: The running task may always copy its credentials.
        let cred = unsafe { bindings::prepare_creds() };
        // INVARIANT: `prepare_creds()` returned the only reference.
        NonNull::new(cred).map(Self).ok_or(ENOMEM)
    }

    /// Moves the credentials into a new user namespace, a child of their present one.
    ///
    /// Mirrors `create_user_ns()`. Fails with `ENOMEM`; with `ENOSPC` if user namespaces would nest
    /// too deeply or `user.max_user_namespaces` is exceeded; with `EPERM` if the caller is
    /// chrooted, has no mapping of its user or group, or is denied it by a security module.
    pub(crate) fn create_user_ns(&mut self) -> Result {
        // SAFETY: The credentials are valid, and `self` owns the only reference.
        to_result(unsafe { unshare_create_user_ns(self.0.as_ptr()) })
    }

    /// Returns the credentials, to be read only.
    pub(super) fn as_ptr(&self) -> *const bindings::cred {
        self.0.as_ptr()
    }

    /// Returns the credentials, which no other task uses.
    pub(super) fn as_mut_ptr(&mut self) -> *mut bindings::cred {
        self.0.as_ptr()
    }

    /// Returns the user namespace of the credentials.
    pub(crate) fn user_ns(&self) -> UserNs {
        // SAFETY: By the type invariant, the credentials are valid.
        unsafe { UserNs::get(self.0.as_ptr()) }
    }

    /// Finds the `ucounts` for the user and the user namespace of the credentials. Mirrors
    /// `set_cred_ucounts()`. Fails with `EAGAIN`.
    pub(crate) fn set_ucounts(&mut self) -> Result {
        // SAFETY: As in `create_user_ns`.
        to_result(unsafe { unshare_set_cred_ucounts(self.0.as_ptr()) })
    }

    /// Gives the credentials to the running task, as `commit_creds()` does. Cannot fail.
    pub(crate) fn commit(self, _current: &Current) {
        let cred = ManuallyDrop::new(self).0;
        // SAFETY: The reference moves to the task. As `commit_creds()` requires, the task's
        // credentials are not overridden: an ioctl has the task's own, and no `Acting` outlives the
        // preparation.
        unsafe { bindings::commit_creds(cred.as_ptr()) };
    }
}

impl Drop for Cred {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, this is the only reference, and no task has had it.
        unsafe { bindings::abort_creds(self.0.as_ptr()) };
    }
}

/// The running task with overridden credentials. Mirrors `override_creds()`, `revert_creds()`.
///
/// A request that attaches and then unshares needs this: the kernel checks `current_cred()` while
/// it unshares, and two separate system calls would find the attached credentials there. Other
/// tasks do not see the override, because they read `real_cred`.
///
/// # Invariants
///
/// `own` are the credentials from before the override, to which the task still holds a reference.
pub(crate) struct Acting<'a> {
    own: *const bindings::cred,
    _with: PhantomData<&'a Cred>,
    _not_send: NotThreadSafe,
}

impl<'a> Acting<'a> {
    /// Overrides the running task's credentials. The borrow keeps `credentials` unchanged.
    pub(crate) fn with(credentials: &'a Cred) -> Self {
        // SAFETY: The credentials are borrowed for the life of the override.
        let own = unsafe { unshare_override_creds(credentials.as_ptr()) };
        // INVARIANT: The function returns the old credentials, and leaves the task its reference.
        Self {
            own,
            _with: PhantomData,
            _not_send: NotThreadSafe,
        }
    }

    /// As [`with`](Self::with), for credentials that a task has or had.
    pub(super) fn with_kept(credentials: &'a Credential) -> Self {
        // SAFETY: As in `with`.
        let own = unsafe { unshare_override_creds(credentials.as_ptr()) };
        // INVARIANT: As in `with`.
        Self {
            own,
            _with: PhantomData,
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for Acting<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `own` is valid. The value does not move to another task.
        unsafe { unshare_revert_creds(self.own) };
    }
}

/// A reference to a user namespace. The `kernel` crate has no type for one.
///
/// Not a borrow from the credentials: `commit_creds()` may free those of the running task.
///
/// # Invariants
///
/// Owns one reference.
pub(crate) struct UserNs(*mut bindings::user_namespace);

// SAFETY: Any task may put a reference that another task took.
unsafe impl Send for UserNs {}
// SAFETY: A user namespace does its own locking.
unsafe impl Sync for UserNs {}

impl UserNs {
    /// Returns the user namespace of the running task. Mirrors `current_user_ns()`.
    pub(crate) fn of(_current: &Current) -> Self {
        // SAFETY: Only the running task replaces its credentials, and it does not do so here.
        unsafe { Self::get(unshare_current_cred()) }
    }

    /// Returns the user namespace of credentials.
    ///
    /// # Safety
    ///
    /// The caller must keep the credentials valid, by a reference or by the RCU read lock.
    pub(super) unsafe fn get(cred: *const bindings::cred) -> Self {
        // INVARIANT: `get_user_ns()` takes the reference.
        // SAFETY: By the safety requirements; credentials hold a reference to their user namespace.
        Self(unsafe { unshare_get_user_ns(cred) })
    }

    /// Returns the namespace, which is valid for as long as `self` exists.
    pub(super) fn as_ptr(&self) -> *mut bindings::user_namespace {
        self.0
    }

    /// Returns whether the running task may create namespaces that this user namespace owns.
    /// Mirrors `ns_capable()` with `CAP_SYS_ADMIN`.
    pub(crate) fn has_admin(&self) -> bool {
        // SAFETY: By the type invariant, the namespace is valid.
        unsafe { unshare_has_admin(self.0) }
    }
}

impl Clone for UserNs {
    fn clone(&self) -> Self {
        // INVARIANT: `get_user_ns()` takes another reference.
        // SAFETY: By the type invariant, the namespace is valid.
        Self(unsafe { unshare_ref_user_ns(self.0) })
    }
}

impl Drop for UserNs {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `self` owns the reference.
        unsafe { unshare_put_user_ns(self.0) };
    }
}

/// Returns whether Debian's sysctl `kernel.unprivileged_userns_clone` requires `CAP_SYS_ADMIN` to
/// create a user namespace.
pub(crate) fn clone_user_ns_is_restricted() -> bool {
    // SAFETY: The function only reads a variable of the kernel.
    unsafe { unshare_userns_clone_is_restricted() }
}

/// Returns whether that sysctl permits the running task to create a user namespace.
pub(crate) fn may_clone_user_ns() -> bool {
    // SAFETY: The function reads the credentials of the running task.
    !clone_user_ns_is_restricted() || unsafe { unshare_is_admin() }
}
