// SPDX-License-Identifier: GPL-2.0-only

//! clone(2) with CLONE_VM and without CLONE_THREAD: processes that share memory.
//!
//! For Rust and for the C library, such a child is the thread that made it: it has the same thread
//! pointer, and with it the same thread-locals, errno, allocator cache and lock owners.

use std::ffi::c_void;
use std::io;

use nix::libc;
use rustix::process::Pid;
use unshare_device::Contexts;

use crate::Stack;

/// The code of a task that shares the memory of its maker while both run.
pub trait Task: Sync {
    /// Runs the code; returns the exit status.
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
///   child uses that stack meanwhile.
/// - The child does not touch what belongs to the calling thread: no allocation, no standard streams, no
///   thread-locals, no lock, no panic, no C function that sets errno. This also holds after it has left
///   the memory, because the copy has these in any state. Only exec ends it.
/// - With [`Contexts::FILES`], neither closes a descriptor that the other one owns.
/// - No signal handler that breaks these rules runs in the child.
pub unsafe fn clone_vm<T: Task>(contexts: Contexts, stack: &Stack, task: &T) -> io::Result<Pid> {
    extern "C" fn enter<T: Task>(task: *mut c_void) -> libc::c_int {
        // SAFETY: `task` is that of clone_vm, whose caller promises that it stays.
        unsafe { &*task.cast::<T>() }.run()
    }
    // SAFETY: The caller promises it.
    unsafe { start(contexts, 0, stack, enter::<T>, task) }
}

/// Starts `child`, which shares memory and `contexts` with the caller. Returns when the child has
/// left the address space: when it has ended, executed a program, or unshared [`Contexts::VM`].
///
/// # Errors
///
/// As for [`clone_vm`].
///
/// # Safety
///
/// - The process has one thread, or the child follows the rules of [`clone_vm`] for good.
/// - What the child changes in its parent's memory stays changed: what it allocates, the parent leaks;
///   what it drops, the parent must not drop again. A panic must not reach the parent's counters.
/// - With [`Contexts::FILES`], neither closes a descriptor that the other one owns.
/// - A signal handler that runs in the child before it has left must be one that may run in the parent.
pub unsafe fn vfork<F: Fn() -> i32>(
    contexts: Contexts,
    stack: &Stack,
    child: &F,
) -> io::Result<Pid> {
    extern "C" fn enter<F: Fn() -> i32>(child: *mut c_void) -> libc::c_int {
        // SAFETY: `child` is that of vfork, which has not returned yet, or this task's own copy of
        // it.
        let child = unsafe { &*child.cast::<F>() };
        child()
    }
    // SAFETY: The caller promises it. The parent does not run meanwhile, so nothing must be Sync.
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
    // clone(2) knows only the lower half of the bits.
    let contexts = (contexts | Contexts::VM).bits() as libc::c_int;
    let flags = contexts | flags | libc::SIGCHLD;
    let argument = std::ptr::from_ref(argument).cast_mut().cast();
    // SAFETY: The child has its own stack; the caller promises the rest. `main`'s result goes to
    // exit(2) itself, which runs no exit handlers and flushes no buffers of the parent.
    match unsafe { libc::clone(main, stack.top(), flags, argument) } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?),
    }
}
