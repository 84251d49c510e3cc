// SPDX-License-Identifier: GPL-2.0-only

//! Runs a program and all that it starts under ptrace(2), stops each task at its calls of unshare(2) and setns(2), and
//! has it make a request to the module instead. A seccomp filter names these two calls, so that no other one stops.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail};
use rustix::pipe::pipe;
use rustix::process::Pid;

use crate::request::{Turned, turn};
use crate::stopped::{Registers, Stop, Stopped, seize, wait};
use crate::tally::Tally;

/// What becomes of the calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They stay as they are. What differs then is due to the tracer.
    Watch,
    /// They become requests.
    Turn,
}

/// A task that makes a request instead of a call.
struct Pending {
    /// Its registers at the entry of the call.
    before: Registers,
    turned: Turned,
}

/// Runs a program and returns its exit status, or 128 and the signal that killed it. What it leaves running is killed
/// when the caller ends.
pub(crate) fn run(program: &str, mode: Mode, tally: &mut Tally) -> Result<i32> {
    let program = CString::new(program)?;
    let (ready, go) = pipe()?;
    let (mut ready, mut go) = (File::from(ready), File::from(go));
    // SAFETY: This process has one thread.
    let main = match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()).context("fork"),
        0 => {
            drop(go);
            let error = begin(&mut ready, &program);
            eprintln!("{}: {error:#}", program.to_string_lossy());
            // SAFETY: Always sound; the parent's destructors must not run twice.
            unsafe { libc::_exit(127) }
        }
        pid => Pid::from_raw(pid).context("fork returned no pid")?,
    };
    drop(ready);
    seize(main)?;
    go.write_all(b"!")?;
    drop(go);

    let mut tracer = Tracer {
        mode,
        tally,
        pending: HashMap::new(),
        left: Vec::new(),
    };
    loop {
        let (pid, stop) = wait(None)?;
        match stop {
            Stop::Ended(status) if pid == main => return Ok(status),
            Stop::Ended(_) => tracer.forget(pid),
            Stop::Signal(signal) => tracer.resume(pid, signal)?,
            Stop::Group => Stopped(pid).stay_stopped()?,
            // A parent that learns of the end from a pidfd would find that the tracer has yet to reap the child.
            Stop::Exit => {
                tracer.forget(pid);
                Stopped(pid).let_go()?;
            }
            Stop::Event => tracer.resume(pid, 0)?,
            Stop::Seccomp => tracer.enter(Stopped(pid))?,
            Stop::Syscall => tracer.leave(Stopped(pid))?,
        }
    }
}

struct Tracer<'a> {
    mode: Mode,
    tally: &'a mut Tally,
    pending: HashMap<Pid, Pending>,
    /// Tasks that are about to make a call once more that is to stay as it is.
    left: Vec<Pid>,
}

impl Tracer<'_> {
    fn forget(&mut self, pid: Pid) {
        self.pending.remove(&pid);
        self.left.retain(|left| *left != pid);
    }

    /// Lets a task run on to where the tracer wants to see it next.
    fn resume(&self, pid: Pid, signal: i32) -> Result<()> {
        match self.pending.contains_key(&pid) {
            true => Stopped(pid).go_to_syscall(signal),
            false => Stopped(pid).go_on(signal),
        }
    }

    /// A task enters unshare(2) or setns(2).
    fn enter(&mut self, task: Stopped) -> Result<()> {
        let again = self.left.iter().position(|left| *left == task.0);
        if let Some(place) = again {
            self.left.swap_remove(place);
        }
        if self.mode == Mode::Watch || again.is_some() {
            return task.go_on(0);
        }
        let Some(before) = task.registers()? else {
            return Ok(());
        };
        let turned = turn(task, &before, self.tally)?;
        match turned {
            Turned::No => return task.go_on(0),
            Turned::Back(ref registers) => {
                task.set_registers(registers)?;
                self.left.push(task.0);
                return task.go_on(0);
            }
            Turned::Now(ref registers) | Turned::Later { ref registers, .. } => {
                task.set_registers(registers)?;
            }
            Turned::Killed => return Ok(()),
        }
        self.pending.insert(task.0, Pending { before, turned });
        task.go_to_syscall(0)
    }

    /// A task with a pending request enters or leaves the ioctl.
    fn leave(&mut self, task: Stopped) -> Result<()> {
        let Some(mut pending) = self.pending.remove(&task.0) else {
            bail!("{} stopped at a system call that nobody asked for", task.0);
        };
        if pending.turned.enters() {
            self.pending.insert(task.0, pending);
            return task.go_to_syscall(0);
        }
        let Some(after) = task.registers()? else {
            return Ok(());
        };
        for close in pending.turned.to_close() {
            if task.call(false, &after, &close)?.is_none() {
                return Ok(());
            }
        }
        // As if it left the call that it meant to make; the kernel restarts that one, if any.
        let registers = Registers {
            rax: after.rax,
            ..pending.before
        };
        task.set_registers(&registers)?;
        task.go_on(0)
    }
}

/// In the child: waits until it is traced, and becomes the program.
fn begin(ready: &mut impl Read, program: &CString) -> anyhow::Error {
    let mut byte = [0];
    if let Err(error) = ready.read_exact(&mut byte) {
        return error.into();
    }
    if let Err(error) = filter() {
        return error.context("seccomp");
    }
    let arguments = [program.as_ptr(), std::ptr::null()];
    // SAFETY: The strings end in a zero byte and the list in a null pointer.
    unsafe { libc::execv(program.as_ptr(), arguments.as_ptr()) };
    io::Error::last_os_error().into()
}

/// Names unshare(2) and setns(2) of x86-64 to the tracer, and lets everything else through.
fn filter() -> Result<()> {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    const ARCH: u32 = 0xc000_003e;
    let at = |offset: usize| u32::try_from(offset);
    let step = |code: u32, jt, jf, k| -> Result<libc::sock_filter> {
        let code = u16::try_from(code)?;
        Ok(libc::sock_filter { code, jt, jf, k })
    };
    let mut program = [
        step(
            LOAD,
            0,
            0,
            at(std::mem::offset_of!(libc::seccomp_data, arch))?,
        )?,
        step(EQUAL, 0, 4, ARCH)?,
        step(
            LOAD,
            0,
            0,
            at(std::mem::offset_of!(libc::seccomp_data, nr))?,
        )?,
        step(EQUAL, 1, 0, u32::try_from(libc::SYS_unshare)?)?,
        step(EQUAL, 0, 1, u32::try_from(libc::SYS_setns)?)?,
        step(RETURN, 0, 0, libc::SECCOMP_RET_TRACE)?,
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW)?,
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(program.len())?,
        filter: program.as_mut_ptr(),
    };
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: It points to a program of that length. It takes CAP_SYS_ADMIN, which this process has.
    match unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().into()),
    }
}

/// Opens the device where the program and all that it starts find it.
pub(crate) fn leave_open(device: &File, number: i32) -> Result<()> {
    // SAFETY: It is a number that nothing else here uses.
    match unsafe { libc::dup2(device.as_raw_fd(), number) } {
        -1 => Err(io::Error::last_os_error()).context("dup2"),
        _ => Ok(()),
    }
}
