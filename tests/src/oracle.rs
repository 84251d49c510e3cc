// SPDX-License-Identifier: GPL-2.0-only

//! What others can see of a task's contexts, point by point.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, open, readlinkat, statx};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::check::{bail, ensure};
use crate::device::checked;

/// `STATX_MNT_ID_UNIQUE`: a number that no later mount gets.
const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

const NAMESPACES: [&str; 10] = [
    "mnt",
    "uts",
    "ipc",
    "pid",
    "pid_for_children",
    "net",
    "cgroup",
    "time",
    "time_for_children",
    "user",
];

/// The lines of `/proc/PID/status` about the task's identity and its signals.
const STATUS: [&str; 15] = [
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "NSpid",
];

/// The types of kcmp(2).
#[derive(Clone, Copy)]
#[repr(i32)]
pub(crate) enum Kcmp {
    File = 0,
    Vm = 1,
    Files = 2,
    Fs = 3,
    Sighand = 4,
    Sysvsem = 6,
}

/// The state of a task, point by point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// Parses the answer of [`observe`], a [`Question`](crate::sharer::Question).
    pub(crate) fn parse(text: &str) -> Self {
        let points = text.lines().filter_map(|line| line.split_once('\t'));
        Self(points.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    /// Returns the points in which two snapshots differ.
    pub(crate) fn changed(&self, after: &Self) -> BTreeSet<String> {
        let points = self.0.keys().chain(after.0.keys());
        points
            .filter(|&point| self.0.get(point) != after.0.get(point))
            .cloned()
            .collect()
    }

    /// Adds points that only the task itself can see.
    pub(crate) fn with_own_points(mut self) -> Result<Self> {
        let fd = self.0.get_mut("fd").context("no fd")?;
        write!(fd, " close on exec {:?}", closed_on_exec())?;
        self.0.insert("actions".to_owned(), signal_actions()?);
        Ok(self)
    }

    pub(crate) fn get(&self, point: &str) -> Result<&str> {
        let value = self.0.get(point).with_context(|| format!("no {point}"));
        Ok(value?)
    }

    /// Fails if the snapshots differ, and names each point.
    pub(crate) fn ensure_same(&self, after: &Self) -> Result<()> {
        let mut text = String::new();
        for point in self.changed(after) {
            let [old, new] = [self, after].map(|s| s.0.get(&point).map_or("-", |v| v));
            writeln!(text, "{point}: {old} became {new}")?;
        }
        ensure!(text.is_empty(), "{}", text.trim_end());
        Ok(())
    }
}

/// A [`Question`](crate::sharer::Question): returns the snapshot of a task, compared with a
/// partner. `arg`: both PIDs, and the address of a [canary](memory_is_shared).
pub(crate) fn observe(arg: &str) -> Result<String> {
    let numbers = arg
        .split(' ')
        .map(str::parse)
        .collect::<Result<Vec<usize>, _>>()?;
    let [task, partner, canary] = numbers[..] else {
        bail!("two pids and an address, please: {arg:?}");
    };
    let [task, partner] = [task.try_into()?, partner.try_into()?];
    let mut text = String::new();
    let mut point = |name: &str, value: String| writeln!(text, "{name}\t{value}");
    let folder = open(format!("/proc/{task}/ns"), OFlags::PATH, Mode::empty())?;
    for name in NAMESPACES {
        point(&format!("ns/{name}"), namespace(&folder, name))?;
    }
    for name in ["root", "cwd"] {
        point(name, place(&format!("/proc/{task}/{name}"))?)?;
    }
    for (name, kind) in [
        ("files", Kcmp::Files),
        ("fs", Kcmp::Fs),
        ("sighand", Kcmp::Sighand),
        ("sysvsem", Kcmp::Sysvsem),
    ] {
        let same = same(task, partner, kind)?;
        point(
            &format!("kcmp/{name}"),
            if same { "same" } else { "other" }.to_owned(),
        )?;
    }
    let shared = memory_is_shared(task, partner, canary)?;
    point("kcmp/vm", if shared { "same" } else { "other" }.to_owned())?;
    point("maps", mappings(task)?)?;
    point("fd", descriptors(task)?)?;
    let status = fs::read_to_string(format!("/proc/{task}/status"))?;
    for line in status.lines() {
        match line.split_once(":\t") {
            Some((name, value)) if STATUS.contains(&name) => point(name, value.to_owned())?,
            _ => {}
        }
    }
    Ok(text)
}

/// Whether two tasks share their address space: by kcmp(2), and by what they read at the canary's
/// address after one of them has written a new number there.
fn memory_is_shared(task: i32, partner: i32, canary: usize) -> Result<bool> {
    let shared = same(task, partner, Kcmp::Vm)?;
    let word = |pid| peek_into(pid, canary);
    let (here, there) = (word(task), word(partner));
    ensure!(
        shared == (here.is_some() && here == there),
        "kcmp says {shared}, and at the canary there is {here:?} and {there:?}"
    );
    Ok(shared)
}

/// Returns the number at an address of another task, if that is mapped.
fn peek_into(pid: i32, address: usize) -> Option<u64> {
    let mut number = 0_u64;
    let here = libc::iovec {
        iov_base: (&raw mut number).cast(),
        iov_len: size_of::<u64>(),
    };
    let there = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(address),
        ..here
    };
    // SAFETY: At most the eight bytes of `number` are written.
    let len = unsafe { libc::process_vm_readv(pid, &raw const here, 1, &raw const there, 1, 0) };
    (len == 8).then_some(number)
}

/// Returns the mappings of a task, except those that grow by themselves or that the kernel adds.
fn mappings(task: i32) -> Result<String> {
    let maps = fs::read_to_string(format!("/proc/{task}/maps"))?;
    let steady = |line: &&str| {
        let moving = ["[heap]", "[stack]", "[uprobes]"];
        !moving.iter().any(|name| line.ends_with(name))
    };
    let lines: Vec<_> = maps.lines().filter(steady).collect();
    Ok(lines.join("; "))
}

/// Returns the open descriptors of a task, and what each refers to.
pub(crate) fn descriptors(task: i32) -> Result<String> {
    let folder = format!("/proc/{task}/fd");
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(&folder).context(folder)? {
        let entry = entry?;
        let number: u32 = entry.file_name().to_string_lossy().parse()?;
        // If the observer shares the table, it sees its own descriptors, which may be closed
        // meanwhile.
        if let Ok(target) = fs::read_link(entry.path()) {
            all.insert(number, target);
        }
    }
    Ok(format!("{all:?}"))
}

/// Returns which of this task's first descriptors are close-on-exec.
fn closed_on_exec() -> Vec<i32> {
    let closed = |&fd: &i32| {
        // SAFETY: F_GETFD takes no argument, and a number that is not open is refused.
        unsafe { libc::fcntl(fd, libc::F_GETFD) == libc::FD_CLOEXEC }
    };
    (0..64).filter(closed).collect()
}

/// Returns the handlers, flags and masks of this task's signals.
fn signal_actions() -> Result<String> {
    /// The kernel's `struct sigaction`: handler, flags, restorer, mask.
    type Action = [u64; 4];
    let mut text = String::new();
    for signal in 1..=64 {
        let mut action = Action::default();
        let (none, old): (*const Action, _) = (std::ptr::null(), &raw mut action);
        // SAFETY: The kernel writes the one structure, whose mask has eight bytes.
        checked(unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, none, old, 8) })?;
        if action != Action::default() {
            write!(text, "{signal}: {action:x?} ")?;
        }
    }
    Ok(text)
}

fn namespace(folder: &OwnedFd, name: &str) -> String {
    match readlinkat(folder, name, Vec::new()) {
        Ok(link) => link.to_string_lossy().into_owned(),
        // A PID namespace before its first process has no link.
        Err(error) => error.to_string(),
    }
}

/// Returns the mount and the inode of a path.
pub(crate) fn place(path: &str) -> Result<String> {
    let mask = StatxFlags::BASIC_STATS | MNT_ID_UNIQUE;
    let stat = statx(CWD, path, AtFlags::empty(), mask).with_context(|| path.to_owned())?;
    Ok(format!("mount {} inode {}", stat.stx_mnt_id, stat.stx_ino))
}

/// Returns the inode of a [`place`].
pub(crate) fn inode(place: &str) -> Result<&str> {
    Ok(place.split_once(" inode ").context("no inode")?.1)
}

/// Whether two tasks have the same structure.
pub(crate) fn same(a: i32, b: i32, kind: Kcmp) -> Result<bool> {
    kcmp(a, b, kind, 0, 0)
}

/// Whether two descriptors refer to one open file.
pub(crate) fn same_file(a: (Pid, i32), b: (Pid, i32)) -> Result<bool> {
    let [(a, a_fd), (b, b_fd)] = [a, b].map(|(pid, fd)| (pid.as_raw_nonzero().get(), fd));
    kcmp(a, b, Kcmp::File, a_fd, b_fd)
}

fn kcmp(a: i32, b: i32, kind: Kcmp, a_index: i32, b_index: i32) -> Result<bool> {
    // SAFETY: For these kinds kcmp(2) takes numbers only.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, a, b, kind as i32, a_index, b_index) };
    match checked(order) {
        Ok(order) => Ok(order == 0),
        // For semaphores, on a kernel without them.
        Err(Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno).context("kcmp"),
    }
}
