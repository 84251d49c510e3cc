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

// SAFETY: Any task may put a reference that another task took.
unsafe impl Send for NetNs {}

impl NetNs {
    /// Takes a reference. Mirrors `get_net()`.
    ///
    /// # Safety
    ///
    /// The caller must hold a reference to `net`.
    pub(super) unsafe fn get(net: NonNull<bindings::net>) -> Self {
        // SAFETY: By the safety requirements.
        unsafe { unshare_get_net(net.as_ptr()) };
        // INVARIANT: `get_net()` took the reference.
        Self(net)
    }

    /// Returns the reference as a raw pointer.
    pub(super) fn into_raw(self) -> *mut bindings::net {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for NetNs {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `self` owns the reference.
        unsafe { unshare_put_net(self.0.as_ptr()) };
    }
}

/// A network namespace that the thread has created and the request has not taken over yet.
///
/// Dropping it uncharges the namespace, as [`super::NsProxy`] does ([`super::ucounts`]).
///
/// # Invariants
///
/// Owns the only reference. The namespace is in no nsproxy, and no task has been in it.
pub(super) struct Unfetched(pub(super) NonNull<bindings::net>);

// SAFETY: Any task may put a reference that another task took.
unsafe impl Send for Unfetched {}

impl Unfetched {
    /// Hands the namespace over to the request.
    pub(super) fn fetch(self) -> NetNs {
        // INVARIANT: The reference moves.
        NetNs(ManuallyDrop::new(self).0)
    }
}

impl Drop for Unfetched {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this is the last reference. Other tasks find the
        // namespace in a list, but only the code that frees it reads its `ucounts`.
        unsafe {
            give_back_of_net(self.0);
            unshare_put_net(self.0.as_ptr());
        }
    }
}
