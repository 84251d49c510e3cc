// SPDX-License-Identifier: GPL-2.0-only

//! The request that does what a call of unshare(2) or setns(2) would do.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rustix::process::Pid;
use unshare_device::raw;

use crate::namespace;
use crate::stopped::{Call, Registers, Stopped};
use crate::tally::Tally;

/// Where every program has the device open, unless it closes it.
pub(crate) const DEVICE: i32 = 251;

/// What becomes of a call.
pub(crate) enum Turned {
    /// It stays. The task is at its entry.
    No,
    /// It stays, and the task has to make it once more, with these registers.
    Back(Registers),
    /// The task makes a request when it goes on with these registers from the entry.
    Now(Registers),
    /// The task has made other calls before, so that it enters the ioctl first.
    Later {
        registers: Registers,
        entered: bool,
        /// Descriptors that those calls opened.
        opened: Vec<u64>,
    },
    /// Somebody killed the task.
    Killed,
}

impl Turned {
    /// Whether the task is at the entry of the ioctl; it is once at most.
    pub(crate) fn enters(&mut self) -> bool {
        match self {
            Self::Later { entered, .. } => !std::mem::replace(entered, true),
            _ => false,
        }
    }

    /// The calls that close what was opened for the request.
    pub(crate) fn to_close(&self) -> Vec<Call> {
        let opened = match self {
            Self::Later { opened, .. } => opened.as_slice(),
            _ => &[],
        };
        let close = |fd: &u64| Call(libc::SYS_close, [*fd, 0, 0, 0]);
        opened.iter().map(close).collect()
    }
}

/// What setns(2) is called with.
enum Source {
    /// A descriptor of a task.
    Pidfd,
    /// A descriptor of a namespace of this kind, in which this task is, by its number in the caller's PID namespace.
    Task(Pid, i32),
    /// A descriptor that is not open.
    Closed,
}

/// Turns the call that a task enters into a request, as far as there is one that does the same.
pub(crate) fn turn(task: Stopped, before: &Registers, tally: &mut Tally) -> Result<Turned> {
    let [first, second] = [before.rdi, before.rsi];
    let (args, source) = match before.orig_rax as i64 {
        libc::SYS_unshare => {
            let unshare = raw::unshare_args {
                unshare: first,
                ..Default::default()
            };
            (unshare, None)
        }
        _ => match source(task.0, low(first), low(second)) {
            Ok(source) => {
                let kind = match source {
                    Source::Task(_, kind) => kind,
                    Source::Pidfd | Source::Closed => low(second),
                };
                let attach = raw::unshare_args {
                    attach: (kind as u32).into(),
                    pidfd: low(first),
                    ..Default::default()
                };
                (attach, Some(source))
            }
            Err(reason) => {
                tally.left(reason);
                return Ok(Turned::No);
            }
        },
    };
    let request = Request {
        task,
        before,
        entering: true,
        opened: Vec::new(),
    };
    request.make(args, source, tally)
}

/// An `int` argument.
fn low(register: u64) -> i32 {
    register as i32
}

/// What setns(2) would take, or why no request does the same.
fn source(caller: Pid, fd: i32, kind: i32) -> Result<Source, &'static str> {
    let path = format!("/proc/{caller}/fd/{fd}");
    let Ok(link) = fs::read_link(&path) else {
        return match kind {
            0 => Err("setns(2) with no kind, on a descriptor that is not open"),
            _ => Ok(Source::Closed),
        };
    };
    if namespace::is_pidfd(caller, fd) {
        return match kind {
            // EINVAL: a request that attaches nothing takes no descriptor.
            0 => Err("setns(2) with no kind, on a pidfd"),
            _ => Ok(Source::Pidfd),
        };
    }
    let Some((name, bit)) = namespace::kind_of(&link) else {
        return Err("setns(2) on what is neither a task nor a namespace");
    };
    if kind != 0 && kind != bit {
        return Err("setns(2) on a namespace of another kind");
    }
    match namespace::inhabitant(caller, name, &link) {
        Some(pid) => Ok(Source::Task(pid, bit)),
        None => Err("setns(2) on a namespace with no task that the caller sees"),
    }
}

struct Request<'a> {
    task: Stopped,
    before: &'a Registers,
    /// Whether the task is still at the entry of its call.
    entering: bool,
    opened: Vec<u64>,
}

impl Request<'_> {
    fn make(
        mut self,
        mut args: raw::unshare_args,
        source: Option<Source>,
        tally: &mut Tally,
    ) -> Result<Turned> {
        let kind = match &source {
            None => "unshare(2)",
            Some(Source::Pidfd) => "setns(2) on a pidfd",
            Some(Source::Closed) => "setns(2) on a descriptor that is not open",
            Some(Source::Task(pid, _)) => {
                let pid = u64::try_from(pid.as_raw_nonzero().get())?;
                let open = Call(libc::SYS_pidfd_open, [pid, 0, 0, 0]);
                match self.call(&open)? {
                    None => return Ok(Turned::Killed),
                    Some(fd @ 0..) => {
                        args.pidfd = i32::try_from(fd)?;
                        self.opened.push(u64::try_from(fd)?);
                    }
                    Some(_) => return Ok(self.leave("the caller gets no pidfd", tally)),
                }
                "setns(2) on a namespace"
            }
        };
        let device = match self.device()? {
            None => return Ok(Turned::Killed),
            Some(device @ 0..) => u64::try_from(device)?,
            Some(_) => return Ok(self.leave("the caller cannot open the device", tally)),
        };
        let Some(address) = self.task.push(self.before, bytes(&args)) else {
            return Ok(self.leave("no room on the caller's stack", tally));
        };
        let number = u64::from(raw::UNSHARE_IOC_COMMIT);
        let ioctl = Call(libc::SYS_ioctl, [device, number, address, 0]);
        let registers = ioctl.registers(self.entering, self.before);
        tally.turned(kind);
        Ok(match self.entering {
            true => Turned::Now(registers),
            false => Turned::Later {
                registers,
                entered: false,
                opened: self.opened,
            },
        })
    }

    fn call(&mut self, call: &Call) -> Result<Option<i64>> {
        let result = self.task.call(self.entering, self.before, call)?;
        self.entering = false;
        Ok(result)
    }

    /// The caller's descriptor of the device, or the error of open(2).
    fn device(&mut self) -> Result<Option<i64>> {
        let path = raw::UNSHARE_DEVICE.to_str()?;
        let link = fs::read_link(format!("/proc/{}/fd/{DEVICE}", self.task.0));
        if link.is_ok_and(|link| link == Path::new(path)) {
            return Ok(Some(DEVICE.into()));
        }
        let name = raw::UNSHARE_DEVICE.to_bytes_with_nul();
        let Some(name) = self.task.push(self.before, name) else {
            return Ok(Some(-i64::from(libc::EFAULT)));
        };
        let at = libc::AT_FDCWD as u64;
        let flags = (libc::O_RDWR | libc::O_CLOEXEC) as u64;
        let opened = self.call(&Call(libc::SYS_openat, [at, name, flags, 0]))?;
        if let Some(fd @ 0..) = opened {
            self.opened.push(u64::try_from(fd)?);
        }
        Ok(opened)
    }

    /// Has the task make its call after all.
    fn leave(self, reason: &str, tally: &mut Tally) -> Turned {
        tally.left(reason);
        if self.entering {
            return Turned::No;
        }
        let [first, second] = [self.before.rdi, self.before.rsi];
        let number = self.before.orig_rax as i64;
        let [third, fourth] = [self.before.rdx, self.before.r10];
        Turned::Back(Call(number, [first, second, third, fourth]).registers(false, self.before))
    }
}

/// The struct as memory has it.
fn bytes(args: &raw::unshare_args) -> &[u8] {
    // SAFETY: The struct is made of numbers without gaps between them (the module checks that), and is borrowed as long.
    unsafe { std::slice::from_raw_parts((&raw const *args).cast(), size_of_val(args)) }
}
