// SPDX-License-Identifier: GPL-2.0-only

//! What can be seen of a task's contexts from outside, point by point.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, open, readlinkat, statx};
use rustix::process::Pid;

use crate::device::{checked, last_errno};

/// `STATX_MNT_ID_UNIQUE`: a mount's number that no later mount gets.
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

/// The lines of `/proc/PID/status` that say who the task is and how it takes signals.
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

/// kcmp(2)'s names.
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

/// Point by point, what a task looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// Reads a [`Question`](crate::sharer::Question)'s answer that [`observe`] gave.
    pub(crate) fn parse(text: &str) -> Self {
        let points = text.lines().filter_map(|line| line.split_once('\t'));
        Self(points.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    /// The points in which two snapshots differ.
    pub(crate) fn changed(&self, after: &Self) -> BTreeSet<String> {
        let points = self.0.keys().chain(after.0.keys());
        points
            .filter(|&point| self.0.get(point) != after.0.get(point))
            .cloned()
            .collect()
    }

    pub(crate) fn get(&self, point: &str) -> Result<&str> {
        let value = self.0.get(point).with_context(|| format!("no {point}"));
        Ok(value?)
    }

    /// Fails, naming each point that is not as it was.
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

/// A [`Question`](crate::sharer::Question): the snapshot of a task, compared with a partner; both
/// pids in `arg`.
pub(crate) fn observe(arg: &str) -> Result<String> {
    let pids = arg
        .split(' ')
        .map(str::parse)
        .collect::<Result<Vec<i32>, _>>()?;
    let [task, partner] = pids[..] else {
        bail!("two pids, please: {arg:?}");
    };
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
        ("vm", Kcmp::Vm),
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
    point("fd", descriptors(task)?)?;
    let status = fs::read_to_string(format!("/proc/{task}/status"))?;
    for line in status.lines() {
        if let Some((name, value)) = line.split_once(":\t")
            && STATUS.contains(&name)
        {
            point(name, value.to_owned())?;
        }
    }
    Ok(text)
}

/// The open descriptors of a task, and what each refers to.
pub(crate) fn descriptors(task: i32) -> Result<String> {
    let folder = format!("/proc/{task}/fd");
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(&folder).context(folder)? {
        let entry = entry?;
        let number: u32 = entry.file_name().to_string_lossy().parse()?;
        // One that was closed meanwhile is the observer's own, if it shares the table.
        if let Ok(target) = fs::read_link(entry.path()) {
            all.insert(number, target);
        }
    }
    Ok(format!("{all:?}"))
}

fn namespace(folder: &OwnedFd, name: &str) -> String {
    match readlinkat(folder, name, Vec::new()) {
        Ok(link) => link.to_string_lossy().into_owned(),
        // A pid namespace before its first process.
        Err(error) => error.to_string(),
    }
}

/// The mount and the inode that a path leads to.
pub(crate) fn place(path: &str) -> Result<String> {
    let mask = StatxFlags::BASIC_STATS | MNT_ID_UNIQUE;
    let stat = statx(CWD, path, AtFlags::empty(), mask).with_context(|| path.to_owned())?;
    Ok(format!("mount {} inode {}", stat.stx_mnt_id, stat.stx_ino))
}

/// The inode of a [`place`].
pub(crate) fn inode(place: &str) -> Result<&str> {
    Ok(place.split_once(" inode ").context("no inode")?.1)
}

/// Whether two tasks have the same structure.
pub(crate) fn same(a: i32, b: i32, kind: Kcmp) -> Result<bool> {
    kcmp(a, b, kind, 0, 0)
}

/// Whether two descriptors are one open file.
pub(crate) fn same_file(a: (Pid, i32), b: (Pid, i32)) -> Result<bool> {
    let [(a, a_fd), (b, b_fd)] = [a, b].map(|(pid, fd)| (pid.as_raw_nonzero().get(), fd));
    kcmp(a, b, Kcmp::File, a_fd, b_fd)
}

fn kcmp(a: i32, b: i32, kind: Kcmp, a_index: i32, b_index: i32) -> Result<bool> {
    // SAFETY: For these kinds kcmp(2) takes numbers only.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, a, b, kind as i32, a_index, b_index) };
    match checked(order) {
        Ok(order) => Ok(order == 0),
        Err(_) => Err(last_errno()).context("kcmp"),
    }
}
