// SPDX-License-Identifier: GPL-2.0-only

//! clone(2) with CLONE_VM and without CLONE_THREAD: processes that share memory.
//!
//! For Rust and for the C library such a child is the thread that made it: the thread pointer is the
//! same, so thread-locals are, with errno, the allocator's cache and the owners of locks.

use std::ffi::c_void;
use std::io;

use nix::libc;
use rustix::process::Pid;
use unshare_device::Contexts;

use crate::Stack;

/// What a task does that shares its maker's memory while both run.
pub trait Task: Sync {
    /// Does it; returns the exit status.
    fn run(&self) -> i32;
}

/// Starts `task`, which shares memory and `contexts` with the caller.
///
/// # Errors
///
/// Those of clone(2): `EAGAIN`, `ENOMEM`.
///
/// # Safety
///
/// - `stack` and `task` stay until the child has ended or has left the address space, and no other
///   child is on that stack meanwhile.
/// - The child does not touch what is the calling thread's alone: no allocation, no standard
///   streams, no thread-locals, no lock, no panic, no C function that sets errno. Leaving the memory
///   does not change that: the copy has everything as the other one was just doing it. Only exec
///   does.
/// - With [`Contexts::FILES`], neither closes what the other one owns.
/// - With [`Contexts::SIGHAND`] and without, no signal handler runs in the child that breaks these
///   rules.
pub unsafe fn clone_vm<T: Task>(contexts: Contexts, stack: &Stack, task: &T) -> io::Result<Pid> {
    extern "C" fn enter<T: Task>(task: *mut c_void) -> libc::c_int {
        // SAFETY: It is `task` of clone_vm, which stays, by the promise of its caller.
        unsafe { &*task.cast::<T>() }.run()
    }
    // SAFETY: By the caller's promise.
    unsafe { start(contexts, 0, stack, enter::<T>, task) }
}

/// Starts `child`, which shares memory and `contexts` with the caller, and returns when it has left
/// the address space: by its end, by exec, or by [`Contexts::VM`].
///
/// # Errors
///
/// As for [`clone_vm`].
///
/// # Safety
///
/// - The process has one thread, or the child keeps to the rules of [`clone_vm`] for good.
/// - What the child changes in the memory of its parent, as long as it shares it, stays: what it
///   allocates is the parent's leak, what it drops, the parent must not drop again. A panic must not
///   reach the parent's counters.
/// - With [`Contexts::FILES`], neither closes what the other one owns.
/// - No signal handler runs in the child before it has left that would not do for the parent.
pub unsafe fn vfork<F: Fn() -> i32>(
    contexts: Contexts,
    stack: &Stack,
    child: &F,
) -> io::Result<Pid> {
    extern "C" fn enter<F: Fn() -> i32>(child: *mut c_void) -> libc::c_int {
        // SAFETY: It is `child` of vfork, which is not back yet, or in this task's own copy.
        let child = unsafe { &*child.cast::<F>() };
        child()
    }
    // SAFETY: By the caller's promise; the parent stands still, so nothing has to be Sync.
    unsafe { start(contexts, libc::CLONE_VFORK, stack, enter::<F>, child) }
}

/// # Safety
///
/// `main` may be called with `argument` in a task that shares the memory.
unsafe fn start<T>(
    contexts: Contexts,
    flags: libc::c_int,
    stack: &Stack,
    main: extern "C" fn(*mut c_void) -> libc::c_int,
    argument: &T,
) -> io::Result<Pid> {
    // All that clone(2) knows is in the lower half.
    let contexts = (contexts | Contexts::VM).bits() as libc::c_int;
    let flags = contexts | flags | libc::SIGCHLD;
    let argument = std::ptr::from_ref(argument).cast_mut().cast();
    // SAFETY: The child has a stack of its own; the rest is the caller's promise. What `main`
    // returns goes to exit(2) itself, past exit handlers and buffers, which are the parent's.
    match unsafe { libc::clone(main, stack.top(), flags, argument) } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?),
    }
}
