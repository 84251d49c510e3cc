// SPDX-License-Identifier: GPL-2.0-only

//! PID 1 goes there and back: on Linux 7.3, kernel threads look paths up with the directories that it has,
//! and a PID 1 that leaves them for good takes them away. This one does not leave them for good.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::{Contexts, raw};

use super::{ENTER, LEAVE};
use crate::check::ensure;
use crate::device::{Args, COMMIT, HOLD, checked, unshare};
use crate::harness::Suite;
use crate::kmsg::KernelLog;
use crate::oracle::place;

pub(crate) fn suite() -> Suite {
    Suite::new("held_first_task").test(
        "PID 1 goes there and back, and kernel threads keep their directories",
        there_and_back,
    )
}

const FIRST: i32 = 1;

fn there_and_back() -> Result<()> {
    let mut log = KernelLog::from_now()?;
    let before = [place("/proc/1/root")?, place("/proc/1/cwd")?];
    let first = Traced::attach()?;
    let path = first.write(0, raw::UNSHARE_DEVICE.to_bytes_with_nul())?;
    let device = first.call(libc::SYS_open, [path, libc::O_RDWR as u64, 0])?;
    let args = Args {
        options: HOLD,
        ..unshare(Contexts::FS | Contexts::UTS)
    };
    let at = first.write(256, bytes_of(&args))?;
    let held = first.call(libc::SYS_ioctl, [device, COMMIT.into(), at])?;
    for _ in 0..3 {
        first.call(libc::SYS_ioctl, [held, ENTER.into(), 0])?;
        let inside = place("/proc/1/root")?;
        first.call(libc::SYS_ioctl, [held, LEAVE.into(), 0])?;
        ensure!(inside == before[0]);
    }
    for fd in [held, device] {
        first.call(libc::SYS_close, [fd, 0, 0])?;
    }
    drop(first);
    let after = [place("/proc/1/root")?, place("/proc/1/cwd")?];
    ensure!(after == before, "{before:?} became {after:?}");
    log.ensure_silent()
}

fn bytes_of(args: &Args) -> &[u8] {
    // SAFETY: The structure is integers without padding.
    unsafe { std::slice::from_raw_parts(ptr::from_ref(args).cast(), size_of::<Args>()) }
}

/// PID 1 while it makes system calls for the test, in the middle of one that it waits in.
struct Traced {
    registers: libc::user_regs_struct,
}

impl Traced {
    fn attach() -> Result<Self> {
        trace(libc::PTRACE_SEIZE, 0)?;
        trace(libc::PTRACE_INTERRUPT, 0)?;
        wait()?;
        let traced = Self {
            registers: registers()?,
        };
        // It waits for the tests to end, just behind the instruction that took it into the kernel.
        // SAFETY: Nothing of this process is read or written.
        let word = unsafe {
            libc::ptrace(
                libc::PTRACE_PEEKTEXT,
                FIRST,
                traced.registers.rip - 2,
                0_usize,
            )
        };
        ensure!(
            word & 0xffff == 0x050f,
            "PID 1 is not in a system call: {word:#x}"
        );
        Ok(traced)
    }

    /// Puts bytes below its stack, where it has nothing.
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<u64> {
        let at = (self.registers.rsp - 4096 + offset) & !15;
        let ours = libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        let theirs = libc::iovec {
            iov_base: ptr::without_provenance_mut(usize::try_from(at)?),
            iov_len: bytes.len(),
        };
        // SAFETY: Nothing of this process is written.
        checked(unsafe {
            libc::process_vm_writev(FIRST, &raw const ours, 1, &raw const theirs, 1, 0)
        })?;
        Ok(at)
    }

    fn call(&self, number: i64, arguments: [u64; 3]) -> Result<u64> {
        let mut registers = self.registers;
        registers.rip -= 2;
        registers.rax = number as u64;
        // No system call is to be restarted.
        registers.orig_rax = u64::MAX;
        [registers.rdi, registers.rsi, registers.rdx] = arguments;
        set_registers(&registers)?;
        trace(libc::PTRACE_SINGLESTEP, 0)?;
        wait()?;
        let result = self::registers()?.rax as i64;
        let errno = i32::try_from(-result).unwrap_or(0);
        ensure!(
            result >= 0,
            "system call {number}: {}",
            Errno::from_raw_os_error(errno)
        );
        Ok(result as u64)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // It goes on with the system call that it waited in.
        let _ = set_registers(&self.registers);
        let _ = trace(libc::PTRACE_DETACH, 0);
    }
}

fn trace(request: u32, data: usize) -> Result<()> {
    // SAFETY: These requests read and write nothing of this process.
    checked(unsafe { libc::ptrace(request, FIRST, 0_usize, data) })?;
    Ok(())
}

fn wait() -> Result<()> {
    let mut status = 0;
    // SAFETY: The status lives across the call.
    checked(unsafe { libc::waitpid(FIRST, &raw mut status, libc::__WALL) })?;
    ensure!(libc::WIFSTOPPED(status), "{status:#x}");
    Ok(())
}

fn registers() -> Result<libc::user_regs_struct> {
    let mut registers = MaybeUninit::<libc::user_regs_struct>::uninit();
    let data: *mut c_void = registers.as_mut_ptr().cast();
    // SAFETY: The kernel writes the one structure.
    checked(unsafe { libc::ptrace(libc::PTRACE_GETREGS, FIRST, 0_usize, data) })?;
    // SAFETY: It has.
    Ok(unsafe { registers.assume_init() })
}

fn set_registers(registers: &libc::user_regs_struct) -> Result<()> {
    // SAFETY: The kernel reads the one structure.
    checked(unsafe {
        libc::ptrace(
            libc::PTRACE_SETREGS,
            FIRST,
            0_usize,
            ptr::from_ref(registers),
        )
    })?;
    Ok(())
}
