// SPDX-License-Identifier: GPL-2.0

//! CLONE_NEWUSER: credentials in a new user namespace, or in another task's.

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

/// Checks the sysctl that restricts new user namespaces. The kernel checks it before everything else.
///
/// If the sysctl requires CAP_SYS_ADMIN in the initial user namespace, a task that has attached to
/// another user namespace cannot have it.
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

/// Makes a user namespace if the request has CLONE_NEWUSER. Returns copies of the credentials in force, moved to
/// that namespace. Mirrors `unshare_userns()`.
pub(crate) fn prepare(request: &Request) -> Result<Option<Cred>, Failure> {
    request
        .unshare
        .contains(Context::User)
        .then(|| {
            let mut credentials = Cred::dup()?;
            credentials.create_user_ns()?;
            Ok(credentials)
        })
        .transpose()
        .map_err(Failure::of(Context::User))
}
