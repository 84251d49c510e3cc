// SPDX-License-Identifier: GPL-2.0-only

//! A task that ptrace(2) has stopped: its registers, its memory, and system calls made in its name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::ptr;

use anyhow::{Context, Result};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, WaitStatus, waitid, waitpid};

/// The events that stop a tracee, in addition to signals. The tracees end with the tracer.
const OPTIONS: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_EXITKILL;

/// The length of the instruction `syscall`.
const SYSCALL: u64 = 2;

/// What the x86-64 ABI lets a function use below its stack pointer.
const RED_ZONE: u64 = 128;

/// Why a task stands still, or that it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It exited with this status, or a signal killed it (128 and its number).
    Ended(i32),
    /// It is about to get this signal.
    Signal(i32),
    /// A signal stopped its process.
    Group,
    /// It enters or leaves a system call.
    Syscall,
    /// The seccomp filter of [`run`](crate::tracer::run) names the system call that it enters.
    Seccomp,
    /// It is about to exit.
    Exit,
    /// Anything else that the options ask for.
    Event,
}

impl Stop {
    fn of(status: WaitStatus) -> Self {
        if let Some(status) = status.exit_status() {
            return Self::Ended(status);
        }
        if let Some(signal) = status.terminating_signal() {
            return Self::Ended(128 + signal);
        }
        let signal = status.stopping_signal().unwrap_or_default();
        match status.as_raw() >> 16 {
            0 if signal == libc::SIGTRAP | 0x80 => Self::Syscall,
            0 => Self::Signal(signal),
            libc::PTRACE_EVENT_SECCOMP => Self::Seccomp,
            libc::PTRACE_EVENT_EXIT => Self::Exit,
            libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Self::Group,
            _ => Self::Event,
        }
    }
}

/// Waits for the next stop of any tracee, or of one.
pub(crate) fn wait(pid: Option<Pid>) -> Result<(Pid, Stop)> {
    // WaitOptions has no name for __WALL: threads are waited for like processes.
    let all = WaitOptions::from_bits_retain(libc::__WALL as u32);
    let stopped = match pid {
        Some(pid) => waitpid(Some(pid), all)?,
        None => rustix::process::wait(all)?,
    };
    let (pid, status) = stopped.context("a wait without WNOHANG found nothing")?;
    Ok((pid, Stop::of(status)))
}

fn ptrace<D>(request: u32, pid: Pid, address: usize, data: *mut D) -> io::Result<()> {
    // SAFETY: `data` is a value that `request` takes, or points to one.
    match unsafe { libc::ptrace(request, pid.as_raw_nonzero().get(), address, data) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn number(value: i32) -> *mut libc::c_void {
    ptr::without_provenance_mut(usize::try_from(value).expect("no negative signal or option"))
}

/// Traces a task from now on, and all that it will start.
pub(crate) fn seize(pid: Pid) -> io::Result<()> {
    ptrace(libc::PTRACE_SEIZE, pid, 0, number(OPTIONS))
}

/// A stopped task. One that was killed meanwhile is `None` wherever something is asked of it.
#[derive(Clone, Copy)]
pub(crate) struct Stopped(pub(crate) Pid);

pub(crate) type Registers = libc::user_regs_struct;

impl Stopped {
    /// Lets it run on, and gives it a signal.
    pub(crate) fn go_on(self, signal: i32) -> Result<()> {
        self.resume(libc::PTRACE_CONT, signal)
    }

    /// As [`go_on`](Self::go_on), until it enters or leaves a system call.
    pub(crate) fn go_to_syscall(self, signal: i32) -> Result<()> {
        self.resume(libc::PTRACE_SYSCALL, signal)
    }

    /// Leaves it in the stop of its process.
    pub(crate) fn stay_stopped(self) -> Result<()> {
        self.resume(libc::PTRACE_LISTEN, 0)
    }

    /// Traces it no longer.
    pub(crate) fn let_go(self) -> Result<()> {
        self.resume(libc::PTRACE_DETACH, 0)
    }

    fn resume(self, request: u32, signal: i32) -> Result<()> {
        self.unless_killed(ptrace(request, self.0, 0, number(signal)))?;
        Ok(())
    }

    /// A tracee that is killed leaves its stop by itself: ESRCH.
    fn unless_killed(self, outcome: io::Result<()>) -> Result<Option<()>> {
        match outcome {
            Ok(()) => Ok(Some(())),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("ptrace of {}", self.0)),
        }
    }

    pub(crate) fn registers(self) -> Result<Option<Registers>> {
        // SAFETY: It is made of numbers.
        let mut registers: Registers = unsafe { std::mem::zeroed() };
        let got = ptrace(libc::PTRACE_GETREGS, self.0, 0, &raw mut registers);
        Ok(self.unless_killed(got)?.map(|()| registers))
    }

    pub(crate) fn set_registers(self, registers: &Registers) -> Result<()> {
        let mut registers = *registers;
        let set = ptrace(libc::PTRACE_SETREGS, self.0, 0, &raw mut registers);
        self.unless_killed(set)?;
        Ok(())
    }

    /// Puts bytes on its stack, where nothing else is, and returns their address; `None` if that page is not there yet.
    pub(crate) fn push(self, registers: &Registers, bytes: &[u8]) -> Option<u64> {
        let len = u64::try_from(bytes.len()).ok()?;
        let address = (registers.rsp - RED_ZONE - len) & !15;
        let memory = format!("/proc/{}/mem", self.0);
        let memory = File::options().write(true).open(memory).ok()?;
        memory.write_all_at(bytes, address).ok()?;
        Some(address)
    }

    /// Makes a system call in the name of a task that enters (`entering`) or has just left another one, and returns its
    /// result. No signal interrupts it, and a SIGSTOP that comes meanwhile is lost. Afterwards the task is where it leaves a system call.
    pub(crate) fn call(
        self,
        entering: bool,
        registers: &Registers,
        call: &Call,
    ) -> Result<Option<i64>> {
        let blocked = self.blocked_signals()?;
        self.block_signals(u64::MAX)?;
        self.set_registers(&call.registers(entering, registers))?;
        // From an entry the next stop is the exit; otherwise the entry comes first.
        let mut stops = if entering { 1 } else { 2 };
        while stops > 0 {
            self.go_to_syscall(0)?;
            // The end of a task is left to the tracer's loop.
            if self.has_ended()? {
                return Ok(None);
            }
            match wait(Some(self.0))?.1 {
                Stop::Syscall => stops -= 1,
                Stop::Exit => {
                    self.let_go()?;
                    return Ok(None);
                }
                _ => {}
            }
        }
        self.block_signals(blocked)?;
        Ok(self.registers()?.map(|left| left.rax as i64))
    }

    /// Waits for its next stop, and says whether that is its end.
    fn has_ended(self) -> Result<bool> {
        let all = WaitIdOptions::from_bits_retain(libc::__WALL as u32);
        let any = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT | all;
        let status = waitid(WaitId::Pid(self.0), any)?.context("no stop")?;
        Ok(status.exited() || status.killed() || status.dumped())
    }

    fn blocked_signals(self) -> Result<u64> {
        let mut mask = 0_u64;
        let got = ptrace(
            libc::PTRACE_GETSIGMASK,
            self.0,
            size_of_val(&mask),
            &raw mut mask,
        );
        self.unless_killed(got)?;
        Ok(mask)
    }

    fn block_signals(self, mut mask: u64) -> Result<()> {
        let set = ptrace(
            libc::PTRACE_SETSIGMASK,
            self.0,
            size_of_val(&mask),
            &raw mut mask,
        );
        self.unless_killed(set)?;
        Ok(())
    }
}

/// A system call and its first arguments.
pub(crate) struct Call(pub(crate) i64, pub(crate) [u64; 4]);

impl Call {
    /// The registers with which a task makes this call: at the entry of another one it makes this one instead; otherwise
    /// it executes its last `syscall` again.
    pub(crate) fn registers(&self, entering: bool, before: &Registers) -> Registers {
        let Self(number, [first, second, third, fourth]) = *self;
        let mut registers = Registers {
            rdi: first,
            rsi: second,
            rdx: third,
            r10: fourth,
            ..*before
        };
        if entering {
            registers.orig_rax = number as u64;
        } else {
            registers.rip = before.rip - SYSCALL;
            registers.rax = number as u64;
            // Not a system call that the kernel might restart.
            registers.orig_rax = u64::MAX;
        }
        registers
    }
}
