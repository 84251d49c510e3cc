// SPDX-License-Identifier: GPL-2.0-only

//! One file per context: what it means to have a copy of one's own.

pub(crate) mod cgroup;
pub(crate) mod close_range;
pub(crate) mod files;
pub(crate) mod files_dropped;
pub(crate) mod fs;
pub(crate) mod ipc;
pub(crate) mod mount;
pub(crate) mod net;
pub(crate) mod pid;
pub(crate) mod sighand;
pub(crate) mod signals;
pub(crate) mod sysv;
pub(crate) mod sysvsem;
pub(crate) mod task;
pub(crate) mod time;
pub(crate) mod user;
pub(crate) mod uts;
pub(crate) mod vm;
pub(crate) mod vm_accounts;
pub(crate) mod vm_child_tid;
pub(crate) mod vm_core;
pub(crate) mod vm_crowd;
pub(crate) mod vm_dropped;
pub(crate) mod vm_fork;
pub(crate) mod vm_futex;
pub(crate) mod vm_io;
pub(crate) mod vm_killed;
#[cfg(target_arch = "x86_64")]
mod vm_ldt;
pub(crate) mod vm_leaving;
pub(crate) mod vm_lost;
pub(crate) mod vm_observers;
pub(crate) mod vm_oom;
mod vm_pages;
mod vm_parts;
mod vm_probes;
mod vm_proc;
pub(crate) mod vm_request;
pub(crate) mod vm_ring;
pub(crate) mod vm_stress;
pub(crate) mod vm_swap;
#[cfg(target_arch = "aarch64")]
mod vm_tags;
#[cfg(target_arch = "x86_64")]
mod vm_unlock;
pub(crate) mod vm_uprobes;
pub(crate) mod vm_vfork;
