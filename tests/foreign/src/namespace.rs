// SPDX-License-Identifier: GPL-2.0-only

//! Which descriptors are of tasks and of namespaces, and which task is in a namespace.

use std::fs;
use std::path::Path;

use rustix::process::Pid;

/// The names that /proc/PID/ns has, and their bits.
const KINDS: [(&str, i32); 8] = [
    ("mnt", libc::CLONE_NEWNS),
    ("uts", libc::CLONE_NEWUTS),
    ("ipc", libc::CLONE_NEWIPC),
    ("user", libc::CLONE_NEWUSER),
    ("pid", libc::CLONE_NEWPID),
    ("net", libc::CLONE_NEWNET),
    ("cgroup", libc::CLONE_NEWCGROUP),
    ("time", libc::CLONE_NEWTIME),
];

/// The kind of namespace that a link of /proc/PID/fd or /proc/PID/ns names: "mnt:[4026531841]".
pub(crate) fn kind_of(link: &Path) -> Option<(&'static str, i32)> {
    let (name, rest) = link.to_str()?.split_once(":[")?;
    rest.strip_suffix(']')?.parse::<u64>().ok()?;
    KINDS.into_iter().find(|kind| kind.0 == name)
}

/// Whether a descriptor is of a task: only those say in fdinfo which.
pub(crate) fn is_pidfd(owner: Pid, fd: i32) -> bool {
    let info = fs::read_to_string(format!("/proc/{owner}/fdinfo/{fd}")).unwrap_or_default();
    info.lines().any(|line| line.starts_with("Pid:"))
}

/// The number, in the caller's PID namespace, of a process whose namespace of this kind is the one that `link` names.
/// The caller's own process comes first: it needs no permission to look at itself.
pub(crate) fn inhabitant(caller: Pid, name: &str, link: &Path) -> Option<Pid> {
    let own = numbers(&caller.to_string())?;
    let own_process = fs::read_to_string(format!("/proc/{caller}/status")).ok()?;
    let own_process = field(&own_process, "Tgid:")?.to_owned();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let processes = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let processes = processes.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let outer = fs::read_link(format!("/proc/{caller}/ns/pid")).ok()?;
    std::iter::once(own_process)
        .chain(processes)
        .filter(|process| {
            fs::read_link(format!("/proc/{process}/ns/{name}")).is_ok_and(|of| of == link)
        })
        .find_map(|process| {
            let there = numbers(&process)?;
            let number = *there.get(own.len() - 1)?;
            // In the first namespace everybody is seen; of another one, those that are in the very same.
            let same =
                || fs::read_link(format!("/proc/{process}/ns/pid")).is_ok_and(|of| of == outer);
            (own.len() == 1 || same())
                .then_some(Pid::from_raw(number))
                .flatten()
        })
}

/// The numbers of a task that is not a zombie: in our PID namespace, and in each one below that it is in.
fn numbers(task: &str) -> Option<Vec<i32>> {
    let status = fs::read_to_string(format!("/proc/{task}/status")).ok()?;
    if field(&status, "State:")?.starts_with('Z') {
        return None;
    }
    let numbers = field(&status, "NSpid:")?.split_whitespace();
    numbers.map(|number| number.parse().ok()).collect()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    Some(line[name.len()..].trim())
}
