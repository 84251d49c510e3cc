// SPDX-License-Identifier: GPL-2.0

//! CLONE_NEWUSER: credentials in a user namespace of their own.

use kernel::prelude::*;

use crate::{
    contexts::Context,
    failure::Failure,
    request::Request,
    sys::cred::{
        self,
        Cred, //
    },
};

/// Checks what the kernel asks before anything else: may this task make user namespaces?
pub(crate) fn check_permitted(request: &Request) -> Result<(), Failure> {
    if request.unshare.contains(Context::User) && !cred::may_clone_user_ns() {
        return Err(Failure::of(Context::User)(EPERM));
    }
    Ok(())
}

/// Makes the credentials and their user namespace. Mirrors `unshare_userns()`.
pub(crate) fn prepare(request: &Request) -> Result<Option<Cred>, Failure> {
    request
        .unshare
        .contains(Context::User)
        .then(Cred::with_new_user_ns)
        .transpose()
        .map_err(Failure::of(Context::User))
}
