// SPDX-License-Identifier: GPL-2.0-only

//! What the kernel reports about a child's address space, in /proc/self and by prctl(2).

use std::fs;

use anyhow::{Context, Result};
use rustix::io::Errno;

use crate::child::skip;
use crate::device::checked;
use crate::twin::Twin;

pub(super) fn exe(twin: Twin) -> Result<String> {
    twin.look(|| Ok(fs::read_link("/proc/self/exe")?.display().to_string()))
}

/// Returns one of the files about the address space, without what differs between tasks.
pub(super) fn proc(twin: Twin, name: &str) -> Result<String> {
    let path = format!("/proc/self/{name}");
    twin.look(|| {
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        Ok(match name {
            "maps" => text
                .lines()
                .map(without_inode)
                .collect::<Vec<_>>()
                .join("\n"),
            "smaps" => text
                .lines()
                .filter(|l| is_lasting(l))
                .map(without_inode)
                .collect::<Vec<_>>()
                .join("\n"),
            "status" => text
                .lines()
                .filter(|l| is_of_memory(l))
                .collect::<Vec<_>>()
                .join("\n"),
            "stat" => numbers_of_memory(&text)?,
            _ => text,
        })
    })
}

/// Each shared mapping has its own file with its own inode number.
fn without_inode(line: &str) -> String {
    match line.split_once("/dev/zero") {
        None => line.to_owned(),
        Some((start, _)) => {
            let words: Vec<_> = start.split_whitespace().take(4).collect();
            words.join(" ") + " /dev/zero"
        }
    }
}

/// How much of a mapping is resident depends on which task touched it first.
fn is_lasting(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or_default();
    line.contains('-')
        || [
            "Size",
            "KernelPageSize",
            "MMUPageSize",
            "Locked",
            "THPeligible",
            "VmFlags",
            "ProtectionKey",
        ]
        .contains(&name)
}

fn is_of_memory(line: &str) -> bool {
    [
        "VmSize",
        "VmLck",
        "VmPin",
        "VmData",
        "VmStk",
        "VmExe",
        "VmLib",
        "VmSwap",
        "THP_enabled",
        "untag_mask",
    ]
    .iter()
    .any(|name| line.starts_with(name))
}

/// vsize, rsslim, startcode, endcode, startstack; start_data to env_end.
fn numbers_of_memory(text: &str) -> Result<String> {
    let (_, rest) = text.rsplit_once(") ").context("no name in stat")?;
    let numbers: Vec<_> = rest.split_whitespace().collect();
    // Field 3 of proc(5) is the first one here.
    let of_memory = [23, 25, 26, 27, 28].into_iter().chain(45..=51);
    Ok(of_memory
        .map(|n| numbers[n - 3])
        .collect::<Vec<_>>()
        .join(" "))
}

pub(super) fn coredump_filter(twin: Twin) -> Result<String> {
    fs::write("/proc/self/coredump_filter", "0x7f")?;
    twin.look(|| {
        Ok(fs::read_to_string("/proc/self/coredump_filter")?
            .trim()
            .to_owned())
    })
}

pub(super) fn prctl(option: i32, arg: u64) -> Result<i32, Errno> {
    // SAFETY: The options of these tests take numbers.
    checked(unsafe { libc::prctl(option, arg, 0, 0, 0) })
}

/// Sets a property of the address space by prctl(2), and has the twin read it.
fn by_prctl(twin: Twin, set: i32, value: u64, get: i32) -> Result<String> {
    match prctl(set, value) {
        Err(Errno::INVAL) => return skip("this kernel has no such prctl"),
        outcome => outcome?,
    };
    twin.look(|| Ok(prctl(get, 0)?.to_string()))
}

pub(super) fn thp_disable(twin: Twin) -> Result<String> {
    by_prctl(twin, libc::PR_SET_THP_DISABLE, 1, libc::PR_GET_THP_DISABLE)
}

pub(super) fn mdwe(twin: Twin) -> Result<String> {
    by_prctl(twin, libc::PR_SET_MDWE, 1, libc::PR_GET_MDWE)
}

pub(super) fn merge_any(twin: Twin) -> Result<String> {
    by_prctl(twin, 67, 1, 68)
}

pub(super) fn dumpable(twin: Twin) -> Result<String> {
    by_prctl(twin, libc::PR_SET_DUMPABLE, 0, libc::PR_GET_DUMPABLE)
}
