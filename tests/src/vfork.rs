// SPDX-License-Identifier: GPL-2.0-only

//! A child on a separate stack, which may share the caller's memory.

use std::ffi::c_void;

use anyhow::{Context, Result};
use rustix::mm::MapFlags;
use unshare_device::Contexts;

use crate::child::{Child, perform};
use crate::device::checked;
use crate::mailbox::{Mailbox, Mapping, Page};

const STACK: usize = 1 << 20;

/// What the child gets at its start.
struct Start<F> {
    work: Option<F>,
    page: *const Page,
}

/// Starts a child by clone(2) that shares `contexts` and runs `work`.
///
/// If they include the address space, the caller sleeps until the child leaves it, as after
/// vfork(2). When this returns, caller and child share only mappings that are MAP_SHARED.
pub(crate) fn vfork<F>(contexts: Contexts, work: F) -> Result<Child>
where
    F: FnOnce() -> Result<String>,
{
    let mailbox = Mailbox::new()?;
    let stack = Mapping::new(STACK, MapFlags::PRIVATE)?;
    let mut start = Start {
        work: Some(work),
        page: mailbox.page(),
    };
    let mut flags = i32::try_from(contexts.bits())? | libc::SIGCHLD;
    if contexts.contains(Contexts::VM) {
        flags |= libc::CLONE_VFORK;
    }
    // SAFETY: If memory is shared, the caller sleeps while the child uses what it borrows. After
    // that, and if memory is not shared, the child has a copy.
    let pid =
        checked(unsafe { libc::clone(begin::<F>, stack.end(), flags, (&raw mut start).cast()) });
    Child::born(pid.context("clone")?, mailbox)
}

extern "C" fn begin<F>(start: *mut c_void) -> i32
where
    F: FnOnce() -> Result<String>,
{
    // SAFETY: `vfork` passed it, and sleeps or has another copy.
    let start = unsafe { &mut *start.cast::<Start<F>>() };
    // SAFETY: The page is mapped in this child as long as it lives.
    let page = unsafe { &*start.page };
    let _ = rustix::process::setsid();
    match start.work.take() {
        Some(work) => perform(page, work),
        None => 1,
    }
}
