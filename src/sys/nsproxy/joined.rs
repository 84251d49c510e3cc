// SPDX-License-Identifier: GPL-2.0

//! Sets that are put together of two.

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
    /// Returns a set of these kinds of namespaces of `self`, and of the initial namespaces besides.
    ///
    /// So a descriptor that holds the set keeps nothing alive that was not named: the initial namespaces
    /// never go. Fails with `ENOMEM`.
    pub(crate) fn alone(mut self, kinds: Contexts) -> Result<Self> {
        // SAFETY: The idle task is never gone, and never leaves the initial namespaces.
        let mut alone = unsafe { Self::dup_of(unshare_first_process()) }?;
        {
            // SAFETY: By the type invariant, nobody else knows the two structures.
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
        // INVARIANT: A namespace is made only if it is named, and those that are named have moved.
        swap(&mut alone.made, &mut self.made);
        Ok(alone)
    }

    /// Returns the running task's set with these kinds of namespaces of `held` in it.
    ///
    /// Nothing is checked: the caller knows that the task may enter them. Fails with `ENOMEM`.
    pub(crate) fn with(current: &Current, held: &ActiveNsProxy, kinds: Contexts) -> Result<Self> {
        let mut set = Self::dup(current)?;
        // SAFETY: By the type invariant, nobody else knows the structure.
        let new = unsafe { set.set.as_mut() };
        let held_set = held.as_ptr().as_ptr();
        for kind in ORDER.into_iter().filter(|kind| kinds.contains(*kind)) {
            let Some(ns) = held.ns_common(kind).and_then(NonNull::new) else {
                continue;
            };
            // SAFETY: `held` holds the namespace, `ns` is its head, and the set owns what is put.
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

/// Puts a namespace in the place of another one.
///
/// # Safety
///
/// `ns` must be the head of `new`, which somebody holds. `place` must own the namespace that it has.
unsafe fn join<T>(
    ns: NonNull<bindings::ns_common>,
    place: &mut *mut T,
    new: *mut T,
    put: unsafe extern "C" fn(*mut T),
) {
    // SAFETY: As the caller promises. The reference that is taken is the place's from now on.
    unsafe {
        unshare_ref_ns(ns.as_ptr());
        put(replace(place, new));
    }
}
