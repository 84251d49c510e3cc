// SPDX-License-Identifier: GPL-2.0

//! Network namespaces.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h).

use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::bindings;

use super::ucounts::give_back_of_net;
use crate::sys::bindings::{
    unshare_get_net,
    unshare_put_net, //
};

/// A reference to a network namespace.
///
/// # Invariants
///
/// Owns one reference.
pub(super) struct NetNs(pub(super) NonNull<bindings::net>);

// SAFETY: Any task may put a reference that another one took.
unsafe impl Send for NetNs {}

impl NetNs {
    /// # Safety
    ///
    /// Somebody must hold the namespace.
    pub(super) unsafe fn get(net: NonNull<bindings::net>) -> Self {
        // SAFETY: The caller says so.
        unsafe { unshare_get_net(net.as_ptr()) };
        // INVARIANT: The function has taken the reference.
        Self(net)
    }

    /// Returns the reference itself.
    pub(super) fn into_raw(self) -> *mut bindings::net {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for NetNs {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the reference is ours to give back.
        unsafe { unshare_put_net(self.0.as_ptr()) };
    }
}

/// A network namespace that the thread has made and the request has not fetched.
///
/// Its drop gives its count back, as that of a set does ([`super::ucounts`]).
///
/// # Invariants
///
/// Owns the only reference. The namespace is in no set, and no task has been in it.
pub(super) struct Unfetched(pub(super) NonNull<bindings::net>);

// SAFETY: Any task may put a reference that another one took.
unsafe impl Send for Unfetched {}

impl Unfetched {
    pub(super) fn fetch(self) -> NetNs {
        // INVARIANT: The reference moves.
        NetNs(ManuallyDrop::new(self).0)
    }
}

impl Drop for Unfetched {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the reference is ours. Others find the namespace in lists of all;
        // where it counts, only the end of the last reference reads.
        unsafe {
            give_back_of_net(self.0);
            unshare_put_net(self.0.as_ptr());
        }
    }
}
