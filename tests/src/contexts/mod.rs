// SPDX-License-Identifier: GPL-2.0-only

//! One file per context: what its own copy means.

pub(crate) mod cgroup;
pub(crate) mod close_range;
pub(crate) mod files;
pub(crate) mod fs;
pub(crate) mod ipc;
pub(crate) mod mount;
pub(crate) mod net;
pub(crate) mod pid;
pub(crate) mod sysv;
pub(crate) mod sysvsem;
pub(crate) mod task;
pub(crate) mod time;
pub(crate) mod user;
pub(crate) mod uts;
