// SPDX-License-Identifier: GPL-2.0

//! What a descriptor or an entry holds, as a target: a task with other credentials than those that made it
//! has to pass all checks of setns(2), chroot(2) and fchdir(2).

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
    /// Takes references to what is held, which never changes.
    ///
    /// What is to be installed of the set and the directories, the caller says.
    pub(crate) fn of_held(set: Option<&ActiveNsProxy>, fs: Option<&FsStruct>) -> Self {
        // SAFETY: An active set holds its namespaces. `PidNamespace` is a transparent wrapper.
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

/// Checks that the running task may go to the directories that it had, as chroot(2) and fchdir(2) do.
pub(crate) fn check_return(fs: &ParkedFs) -> Result {
    let fs = fs.as_ptr();
    // SAFETY: The structure is borrowed. Siblings may move its directories, but not while it is locked.
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
