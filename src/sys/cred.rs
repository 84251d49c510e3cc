// SPDX-License-Identifier: GPL-2.0

//! Credentials in the making, and user namespaces.
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
/// What its drop does that anyone can see: a user namespace that was made counts towards
/// `user.max_user_namespaces` until a worker frees it (`sys/nsproxy/ucounts.rs`). The processes of a user are
/// counted by `commit_creds()` only.
///
/// # Invariants
///
/// Owns one reference to credentials that nobody else knows.
pub(crate) struct Cred(NonNull<bindings::cred>);

impl Cred {
    /// Copies the credentials of the running task. Mirrors `prepare_creds()`. Fails with `ENOMEM`.
    pub(crate) fn dup() -> Result<Self> {
        // SAFETY: The running task may always copy its credentials.
        let cred = unsafe { bindings::prepare_creds() };
        // INVARIANT: `prepare_creds` gave us the only reference.
        NonNull::new(cred).map(Self).ok_or(ENOMEM)
    }

    /// Puts the credentials into a new user namespace, below the one that they are in.
    ///
    /// Mirrors `create_user_ns()`. Fails with `ENOMEM`; `ENOSPC` where the nesting or
    /// `user.max_user_namespaces` is exhausted; `EPERM` in a chroot, without a mapping of the
    /// caller, or when a security module says so.
    pub(crate) fn create_user_ns(&mut self) -> Result {
        // SAFETY: The credentials are valid, and nobody else sees them change.
        to_result(unsafe { unshare_create_user_ns(self.0.as_ptr()) })
    }

    pub(super) fn as_ptr(&self) -> *const bindings::cred {
        self.0.as_ptr()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut bindings::cred {
        self.0.as_ptr()
    }

    /// Returns the user namespace of the credentials.
    pub(crate) fn user_ns(&self) -> UserNs {
        // SAFETY: By the type invariant, the credentials are valid.
        unsafe { UserNs::get(self.0.as_ptr()) }
    }

    /// Finds the counters that the credentials are charged to.
    ///
    /// Mirrors `set_cred_ucounts()`. Fails with `EAGAIN`.
    pub(crate) fn set_ucounts(&mut self) -> Result {
        // SAFETY: The credentials are valid, and nobody else sees them change.
        to_result(unsafe { unshare_set_cred_ucounts(self.0.as_ptr()) })
    }

    /// Makes them the credentials of the running task.
    ///
    /// Mirrors `commit_creds()`, which cannot fail and releases the old ones.
    pub(crate) fn commit(self, _current: &Current) {
        let cred = ManuallyDrop::new(self).0;
        // SAFETY: The reference moves to the task, which runs with its own credentials: an ioctl
        // is not called with overridden ones, and no `Acting` outlives the preparation.
        unsafe { bindings::commit_creds(cred.as_ptr()) };
    }
}

impl Drop for Cred {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the reference is ours, and the credentials were never
        // anybody's.
        unsafe { bindings::abort_creds(self.0.as_ptr()) };
    }
}

/// The running task while it acts with credentials that it does not have yet.
///
/// For what a request prepares after an attach: the kernel looks at `current_cred()` there, and two
/// calls in a row would find the attached credentials. Nobody else sees them: others read `real_cred`,
/// which stays. Mirrors `override_creds()` and, when dropped, `revert_creds()`.
///
/// # Invariants
///
/// `own` is what the task acted with before, and the task still has it.
pub(crate) struct Acting<'a> {
    own: *const bindings::cred,
    _with: PhantomData<&'a Cred>,
    _not_send: NotThreadSafe,
}

impl<'a> Acting<'a> {
    /// Has the running task act with `credentials`, which must not change meanwhile: they are borrowed.
    pub(crate) fn with(credentials: &'a Cred) -> Self {
        // SAFETY: The credentials are valid for as long as they are borrowed.
        let own = unsafe { unshare_override_creds(credentials.as_ptr()) };
        // INVARIANT: The function returns what the task had, to which its own reference stays.
        Self {
            own,
            _with: PhantomData,
            _not_send: NotThreadSafe,
        }
    }

    /// The same, with credentials that somebody has.
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
        // SAFETY: By the type invariant, these are the task's. The value is dropped by the task that
        // made it.
        unsafe { unshare_revert_creds(self.own) };
    }
}

/// A reference to a user namespace. The `kernel` crate has no type for one.
///
/// It is no borrow of credentials: those of the running task go when `commit_creds()` replaces them.
///
/// # Invariants
///
/// Owns one reference.
pub(crate) struct UserNs(*mut bindings::user_namespace);

// SAFETY: Any task may put a reference that another one took.
unsafe impl Send for UserNs {}
// SAFETY: A user namespace has its own locks.
unsafe impl Sync for UserNs {}

impl UserNs {
    /// Returns the user namespace of the running task. Mirrors `current_user_ns()`.
    pub(crate) fn of(_current: &Current) -> Self {
        // SAFETY: Only the task itself replaces its credentials, and it holds them meanwhile.
        unsafe { Self::get(unshare_current_cred()) }
    }

    /// Returns the user namespace of credentials.
    ///
    /// # Safety
    ///
    /// The credentials must be valid, by a reference or by RCU.
    pub(super) unsafe fn get(cred: *const bindings::cred) -> Self {
        // INVARIANT: The function takes the reference.
        // SAFETY: The caller says so; credentials hold their user namespace.
        Self(unsafe { unshare_get_user_ns(cred) })
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::user_namespace {
        self.0
    }

    /// Returns whether the running task may make namespaces that belong to this one.
    ///
    /// Mirrors `ns_capable()` with `CAP_SYS_ADMIN`.
    pub(crate) fn has_admin(&self) -> bool {
        // SAFETY: By the type invariant, the namespace is valid.
        unsafe { unshare_has_admin(self.0) }
    }
}

impl Clone for UserNs {
    fn clone(&self) -> Self {
        // INVARIANT: The function takes another reference.
        // SAFETY: By the type invariant, the namespace is valid.
        Self(unsafe { unshare_ref_user_ns(self.0) })
    }
}

impl Drop for UserNs {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the reference is ours to give back.
        unsafe { unshare_put_user_ns(self.0) };
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
