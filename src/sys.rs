// SPDX-License-Identifier: GPL-2.0

//! The kernel as the rest of the module sees it: the only place with `unsafe`.
//!
//! Each file wraps one thing of the kernel in a type that owns it, or lends it under the lock that
//! guards it. Nothing outside of this directory sees a raw pointer.

mod arch;
pub(crate) mod bindings;
pub(crate) mod cred;
pub(crate) mod files;
pub(crate) mod fs_struct;
mod memcg;
pub(crate) mod miscdevice;
pub(crate) mod mm;
pub(crate) mod net_ns;
pub(crate) mod nsproxy;
mod sharers;
pub(crate) mod sighand;
pub(crate) mod sysvipc;
pub(crate) mod target;
pub(crate) mod task;
pub(crate) mod uaccess;
mod ucounts;
pub(crate) mod unexported;
