// SPDX-License-Identifier: GPL-2.0

//! A held context, or the entry of a task in one, as a target.
//!
//! A task whose credentials differ from those with which these were made must pass all checks of
//! setns(2), chroot(2) and fchdir(2).

use core::marker::PhantomData;
use kernel::{
    bindings,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::aref::ARef, //
};

use super::pinned::{
    Directories,
    Had,
    Place,
    Settled,
    SharedNsProxy,
    Target, //
};
use crate::sys::{
    bindings::{
        unshare_fs_pwd,
        unshare_fs_root,
        unshare_lock_fs,
        unshare_unlock_fs, //
    },
    fs_struct::{
        FsStruct,
        ParkedFs, //
    },
    nsproxy::ActiveNsProxy, //
};

impl Target<Settled> {
    /// Takes references to all namespaces of `set` and to the directories of `fs`, none of which
    /// change. The caller chooses which of them it installs.
    pub(crate) fn of_held(set: Option<&ActiveNsProxy>, fs: Option<&FsStruct>) -> Self {
        // SAFETY: An active nsproxy holds its namespaces. `PidNamespace` is a transparent wrapper.
        let pid_ns = set.map(|set| unsafe {
            let pid_ns = (*set.as_ptr().as_ptr()).pid_ns_for_children;
            ARef::from(&*pid_ns.cast::<PidNamespace>())
        });
        let directories = fs.map(|fs| {
            let fs = fs.as_const_ptr().cast_mut();
            // SAFETY: The structure is borrowed, and nobody writes to it.
            unsafe {
                Directories {
                    root: Place::get(&*unshare_fs_root(fs)),
                    pwd: Place::get(&*unshare_fs_pwd(fs)),
                }
            }
        });
        Self {
            had: Had {
                nsproxy: set.map(|set| SharedNsProxy::of(set.share())),
                user_ns: None,
                pid_ns,
                directories,
                cred: core::ptr::null::<bindings::cred>(),
            },
            _state: PhantomData,
        }
    }
}

/// Checks that the running task may return to the paths of `fs`, as chroot(2) and fchdir(2) do.
/// Fails with `EPERM`, and with `EACCES`.
pub(crate) fn check_return(fs: &ParkedFs) -> Result {
    let fs = fs.as_ptr();
    // SAFETY: The structure is borrowed. Its other users move its directories only under its lock.
    let directories = unsafe {
        unshare_lock_fs(fs);
        let directories = Directories {
            root: Place::get(&*unshare_fs_root(fs)),
            pwd: Place::get(&*unshare_fs_pwd(fs)),
        };
        unshare_unlock_fs(fs);
        directories
    };
    directories.check_enter()
}
