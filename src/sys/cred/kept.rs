// SPDX-License-Identifier: GPL-2.0

//! Credentials that a task had at one moment, to be compared with those that a task has later.

use core::ptr::NonNull;
use kernel::{
    bindings,
    cred::Credential,
    sync::aref::ARef, //
};

use crate::sys::{
    bindings::{
        unshare_current_cred,
        unshare_get_current_cred, //
    },
    task::Current, //
};

/// A reference to credentials. While it exists, their address is not reused for other credentials.
pub(crate) struct KeptCred(ARef<Credential>);

impl KeptCred {
    /// Returns the credentials of the running task. Mirrors `get_current_cred()`.
    pub(crate) fn of(_current: &Current) -> Self {
        // SAFETY: The function returns a reference, which moves to the `ARef`. A task always has
        // credentials. `Credential` is a transparent wrapper.
        Self(unsafe {
            ARef::from_raw(NonNull::new_unchecked(
                unshare_get_current_cred().cast_mut().cast(),
            ))
        })
    }

    /// Returns whether the running task has these credentials.
    ///
    /// If so, the task is of the process that they were taken from, which has not changed them.
    pub(crate) fn is_of(&self, _current: &Current) -> bool {
        // SAFETY: The function only reads a pointer of the running task.
        self.0.as_ptr() == unsafe { unshare_current_cred() }
    }

    /// Returns whether the running task is in the user namespace of these credentials.
    pub(crate) fn is_user_ns_of(&self, _current: &Current) -> bool {
        let kept: *const bindings::cred = self.0.as_ptr().cast();
        // SAFETY: Both are valid: `self` owns a reference, and a task always has credentials, which only the
        // task itself replaces. The user namespace of credentials never changes.
        unsafe { (*kept).user_ns == (*unshare_current_cred()).user_ns }
    }

    /// Returns the reference, as the `kernel` crate's type.
    pub(in crate::sys) fn into_credential(self) -> ARef<Credential> {
        self.0
    }
}
