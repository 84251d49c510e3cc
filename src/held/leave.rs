// SPDX-License-Identifier: GPL-2.0

//! The way back out of a held context.

use kernel::prelude::*;

use super::{
    exchange,
    Held, //
};
use crate::{
    contexts::{
        namespaces::ORDER,
        Contexts, //
    },
    sys::{
        cred::UserNs,
        held::{
            Entries,
            Entry, //
        },
        target,
        task::Current, //
    },
    transaction::swap::Swap, //
};

/// Gives the running task back the places that it had before it entered `held`, or else before it entered last.
///
/// Fails with `EINVAL` if the task is not inside; with `EBUSY` if it has entered another `Held` since; and as
/// [`way_back`] does.
pub(crate) fn leave(held: Option<&Held>, current: &Current) -> Result {
    let entries = Entries::get();
    let entry = entries.pop(held.map(|held| held.number), current)?;
    if let Err(errno) = way_back(&entry, current) {
        entries.push_back(entry, current);
        return Err(errno);
    }
    let entry = KBox::into_inner(entry);
    // Releases the places that the task had inside.
    drop(exchange(current, entry.had, Swap::restore));
    Ok(())
}

/// Checks that the running task can go back.
///
/// Fails with
/// - `EBUSY` if the task has changed its mount namespace, and the entry has no directories. The task has a root
///   in the new mount namespace, and no longer the old root.
/// - `EUSERS` if the task has changed its time namespace, and other tasks now use its address space, which has
///   one page of clocks. Mirrors `timens_install()`.
/// - `EPERM` if the task has changed its user namespace, and the entry has directories. Tasks in the old user
///   namespace may share them, and a chroot(2) with the capabilities of the new one would move their root.
///   clone(2), unshare(2) and setns(2) do not let such a task share directories either.
/// - `EPERM` if the credentials of the task have changed since it entered, and setns(2), chroot(2) or fchdir(2)
///   would refuse the way back.
fn way_back(entry: &Entry, current: &Current) -> Result {
    let Swap { nsproxy: set, fs } = &entry.had;
    let set = set.as_ref();
    if fs.is_none() && set.is_some_and(|set| set.changes_mnt_ns(current)) {
        return Err(EBUSY);
    }
    if set.is_some_and(|set| set.changes_time_ns(current)) {
        current.check_clocks_are_own()?;
    }
    if entry.credentials.is_of(current) {
        return Ok(());
    }
    if fs.is_some() && !entry.credentials.is_user_ns_of(current) {
        return Err(EPERM);
    }
    let changes = set.map_or(Contexts::empty(), |set| set.changes(current));
    let is_admin = |kind| set.is_some_and(|set| set.has_admin(kind));
    let may_return = |kind| !changes.contains(kind) || is_admin(kind);
    let is_permitted = (changes.is_empty() || UserNs::of(current).has_admin())
        && ORDER.into_iter().all(may_return)
        && fs
            .as_ref()
            .is_none_or(|fs| target::check_return(fs).is_ok());
    match is_permitted {
        true => Ok(()),
        false => Err(EPERM),
    }
}
