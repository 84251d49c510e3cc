// SPDX-License-Identifier: GPL-2.0

//! Credentials that a task had, to be held against those that a task has.

use core::ptr::NonNull;
use kernel::{
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

/// A reference to credentials. While it is there, no other credentials have their address.
pub(crate) struct KeptCred(ARef<Credential>);

impl KeptCred {
    /// Returns those of the running task.
    pub(crate) fn of(_current: &Current) -> Self {
        // SAFETY: The function takes a reference, which moves to the `ARef`. `Credential` is a transparent
        // wrapper, and a task has credentials.
        Self(unsafe {
            ARef::from_raw(NonNull::new_unchecked(
                unshare_get_current_cred().cast_mut().cast(),
            ))
        })
    }

    /// Returns whether the running task has these.
    ///
    /// If it has, it is a thread of the process that they were taken from, and they have not changed since.
    pub(crate) fn is_of(&self, _current: &Current) -> bool {
        // SAFETY: The running task has credentials.
        self.0.as_ptr() == unsafe { unshare_current_cred() }
    }

    pub(in crate::sys) fn into_credential(self) -> ARef<Credential> {
        self.0
    }
}
