// SPDX-License-Identifier: GPL-2.0

//! CLONE_NEWUSER: credentials in a user namespace of their own, or in another task's.

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
///
/// Where that takes an administrator of the first one, nobody is who has gone to another.
pub(crate) fn check_permitted(request: &Request) -> Result<(), Failure> {
    let is_permitted = || match request.attach.contains(Context::User) {
        true => !cred::clone_user_ns_is_restricted(),
        false => cred::may_clone_user_ns(),
    };
    if request.unshare.contains(Context::User) && !is_permitted() {
        return Err(Failure::of(Context::User)(EPERM));
    }
    Ok(())
}

/// Copies the credentials where they are to be in another user namespace.
pub(crate) fn prepare(request: &Request) -> Result<Option<Cred>, Failure> {
    (request.attach | request.unshare)
        .contains(Context::User)
        .then(Cred::dup)
        .transpose()
        .map_err(Failure::of(Context::User))
}

/// Makes the user namespace that is asked for. Mirrors `unshare_userns()`.
pub(crate) fn unshare(request: &Request, credentials: Option<&mut Cred>) -> Result<(), Failure> {
    credentials
        .filter(|_| request.unshare.contains(Context::User))
        .map_or(Ok(()), Cred::create_user_ns)
        .map_err(Failure::of(Context::User))
}
