// SPDX-License-Identifier: GPL-2.0-only

//! Address spaces of different sizes.

use std::ffi::c_void;
use std::ptr;

use anyhow::Result;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags};
use unshare_device::Contexts;

use super::plan::{Plan, way};
use super::scene::{bare, commit, done};
use crate::device::{self, checked};
use crate::mailbox::Mapping;
use crate::memory::{PAGE, marked_as};
use crate::sharer::Sharer;

const STACK: usize = 64 << 10;

pub(super) fn plans() -> Vec<Plan> {
    [
        ("vm", "4 KiB pages", Advice::LinuxNoHugepage),
        ("vm, huge", "2 MiB pages", Advice::LinuxHugepage),
    ]
    .into_iter()
    .flat_map(|(curve, pages, advice)| {
        [1, 16, 256].map(|size| {
            // What fork(2) copies has the sharer's stack in it, too.
            let shared = move || Ok((touched(size, advice)?, Sharer::new(Contexts::VM)?));
            let args = move || Ok((device::unshare(Contexts::VM), shared()?));
            Plan::new(
                format!("vm, {size} MiB in {pages}"),
                way(args, |(args, _)| commit(args)),
            )
            .against("fork", way(shared, |_| fork()))
            .against(
                "vfork, exec",
                way(
                    move || {
                        let stack = Mapping::new(STACK, MapFlags::PRIVATE)?;
                        Ok((stack, touched(size, advice)?))
                    },
                    |(stack, _)| vfork_and_exec(stack),
                ),
            )
            .at(curve, "MiB touched", size)
        })
    })
    .collect()
}

/// Returns memory of `size` MiB, all of which was written.
fn touched(size: usize, advice: Advice) -> Result<Mapping> {
    bare()?;
    Ok(marked_as((size << 20) / PAGE, 1, advice)?)
}

/// fork(2). Only the parent's part is measured, because it is not preempted.
#[inline(always)]
fn fork() -> Result<(), Errno> {
    let flags = libc::SIGCHLD;
    // SAFETY: Without CLONE_VM, the child has a copy of everything, and it exits at once.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if child == 0 {
        // SAFETY: The child has nothing to clean up.
        unsafe { libc::_exit(0) };
    }
    done(child)
}

/// vfork(2) of a child that executes a program, until the parent continues.
fn vfork_and_exec(stack: &Mapping) -> Result<(), Errno> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: The child is on a stack of its own while this task sleeps, and touches nothing else.
    checked(unsafe { libc::clone(exec, stack.end(), flags, ptr::null_mut()) }).map(drop)
}

extern "C" fn exec(_: *mut c_void) -> i32 {
    let program = c"/bin/true";
    let (arguments, environment) = ([program.as_ptr(), ptr::null()], [ptr::null()]);
    // SAFETY: All of it is terminated and lives across the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    127
}
