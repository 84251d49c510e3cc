// SPDX-License-Identifier: GPL-2.0

//! An nsproxy with some namespaces of another nsproxy.

use core::{
    mem::{
        replace,
        swap, //
    },
    ptr::NonNull, //
};
use kernel::{
    bindings,
    prelude::*, //
};

use super::{
    ActiveNsProxy,
    NsProxy, //
};
use crate::{
    contexts::{
        namespaces::ORDER,
        Context,
        Contexts, //
    },
    sys::{
        bindings::*,
        task::Current, //
    },
};

impl NsProxy {
    /// Returns an nsproxy with the namespaces in `kinds` of `self`. Its other namespaces are the
    /// initial ones.
    ///
    /// So a held context keeps no namespace of an nsproxy alive that the request did not name: initial
    /// namespaces are never freed. Fails with `ENOMEM`.
    pub(crate) fn alone(mut self, kinds: Contexts) -> Result<Self> {
        // SAFETY: `init_task` is never freed, and always is in the initial namespaces.
        let mut alone = unsafe { Self::dup_of(unshare_first_process()) }?;
        {
            // SAFETY: By the type invariant, nobody else uses the two nsproxies.
            let (new, old) = unsafe { (alone.set.as_mut(), self.set.as_mut()) };
            for kind in ORDER.into_iter().filter(|kind| kinds.contains(*kind)) {
                match kind {
                    Context::Mount => swap(&mut new.mnt_ns, &mut old.mnt_ns),
                    Context::Uts => swap(&mut new.uts_ns, &mut old.uts_ns),
                    Context::Ipc => swap(&mut new.ipc_ns, &mut old.ipc_ns),
                    Context::Pid => {
                        swap(&mut new.pid_ns_for_children, &mut old.pid_ns_for_children)
                    }
                    Context::Cgroup => swap(&mut new.cgroup_ns, &mut old.cgroup_ns),
                    Context::Net => swap(&mut new.net_ns, &mut old.net_ns),
                    _ => {}
                }
            }
        }
        // INVARIANT: Only namespaces in `kinds` were created, and those have moved.
        swap(&mut alone.made, &mut self.made);
        Ok(alone)
    }

    /// Returns an nsproxy with the namespaces in `kinds` of `held`. Its other namespaces are those
    /// of the running task.
    ///
    /// Checks no permission: the caller must have done so. Fails with `ENOMEM`.
    pub(crate) fn with(current: &Current, held: &ActiveNsProxy, kinds: Contexts) -> Result<Self> {
        let mut set = Self::dup(current)?;
        // SAFETY: By the type invariant, nobody else uses the nsproxy.
        let new = unsafe { set.set.as_mut() };
        let held_set = held.as_ptr().as_ptr();
        for kind in ORDER.into_iter().filter(|kind| kinds.contains(*kind)) {
            let Some(ns) = held.ns_common(kind).and_then(NonNull::new) else {
                continue;
            };
            // SAFETY: `held` holds the namespace, of which `ns` is the `ns_common`. The nsproxy
            // owns a reference to the namespace that is put.
            unsafe {
                match kind {
                    Context::Mount => {
                        join(ns, &mut new.mnt_ns, (*held_set).mnt_ns, unshare_put_mnt_ns)
                    }
                    Context::Uts => {
                        join(ns, &mut new.uts_ns, (*held_set).uts_ns, unshare_put_uts_ns)
                    }
                    Context::Ipc => {
                        join(ns, &mut new.ipc_ns, (*held_set).ipc_ns, unshare_put_ipc_ns)
                    }
                    Context::Pid => join(
                        ns,
                        &mut new.pid_ns_for_children,
                        (*held_set).pid_ns_for_children,
                        bindings::put_pid_ns,
                    ),
                    Context::Cgroup => join(
                        ns,
                        &mut new.cgroup_ns,
                        (*held_set).cgroup_ns,
                        unshare_put_cgroup_ns,
                    ),
                    Context::Net => join(ns, &mut new.net_ns, (*held_set).net_ns, unshare_put_net),
                    _ => {}
                }
            }
        }
        Ok(set)
    }
}

/// Replaces the namespace in `place` by `new`, and takes a reference to it.
///
/// # Safety
///
/// `ns` must be the `ns_common` of `new`, and the caller must hold a reference to it. `place` must
/// own a reference to its namespace.
unsafe fn join<T>(
    ns: NonNull<bindings::ns_common>,
    place: &mut *mut T,
    new: *mut T,
    put: unsafe extern "C" fn(*mut T),
) {
    // SAFETY: By the safety requirements.
    unsafe {
        unshare_ref_ns(ns.as_ptr());
        put(replace(place, new));
    }
}
