// SPDX-License-Identifier: GPL-2.0-only

//! Which properties of its parent's address space a child has, one by one.

use anyhow::Result;

#[cfg(target_arch = "x86_64")]
use super::vm_ldt::ldt;
use super::vm_pages::{dontfork, huge, locked, locked_future, merged, private, wipeonfork};
use super::vm_parts::{aio, heap, membarrier, pkeys, vdso};
use super::vm_proc::{coredump_filter, dumpable, exe, mdwe, merge_any, proc, thp_disable};
#[cfg(target_arch = "aarch64")]
use super::vm_tags::tags;
#[cfg(target_arch = "x86_64")]
use super::vm_unlock::robust_unlock;
use crate::twin::Twin;

pub(super) struct Probe {
    pub(super) name: &'static str,
    pub(super) outcome: fn(Twin) -> Result<String>,
    /// The expected value, if it is the same on every machine.
    pub(super) expected: Option<&'static str>,
}

const fn probe(
    name: &'static str,
    outcome: fn(Twin) -> Result<String>,
    expected: Option<&'static str>,
) -> Probe {
    Probe {
        name,
        outcome,
        expected,
    }
}

pub(super) const PROBES: &[Probe] = &[
    probe("private memory is a copy", private, Some("all there")),
    probe("MADV_DONTFORK is gone", dontfork, Some("mapped: false")),
    probe("MADV_WIPEONFORK is zero", wipeonfork, Some("0")),
    probe("mlock is not inherited", locked, Some("0 kB")),
    probe(
        "mlockall for the future is not inherited",
        locked_future,
        Some("0 kB"),
    ),
    probe("an aio context stays behind", aio, Some("EINVAL")),
    probe(
        "protection keys are allocated",
        pkeys,
        Some("access kept, freed: Ok"),
    ),
    #[cfg(target_arch = "x86_64")]
    probe("the LDT is a copy, and loaded", ldt, Some("kept")),
    #[cfg(target_arch = "aarch64")]
    probe(
        "memory tags are copied, and checked",
        tags,
        Some("tag 5, by it: 7, by another: EFAULT"),
    ),
    probe("the heap goes on where it was", heap, Some("goes on")),
    probe("the vdso answers", vdso, Some("ELF")),
    #[cfg(target_arch = "x86_64")]
    probe(
        "the vdso releases robust futexes whole",
        robust_unlock,
        Some("torn: 0"),
    ),
    probe(
        "huge pages are a copy, and huge",
        huge,
        Some("all there, huge: true"),
    ),
    probe("merged pages are a copy", merged, Some("all there")),
    probe("/proc/self/maps", |twin| proc(twin, "maps"), None),
    probe("/proc/self/smaps", |twin| proc(twin, "smaps"), None),
    probe("/proc/self/auxv", |twin| proc(twin, "auxv"), None),
    probe("/proc/self/cmdline", |twin| proc(twin, "cmdline"), None),
    probe("/proc/self/environ", |twin| proc(twin, "environ"), None),
    probe("/proc/self/stat", |twin| proc(twin, "stat"), None),
    probe("/proc/self/status", |twin| proc(twin, "status"), None),
    probe("/proc/self/exe", exe, None),
    probe(
        "/proc/self/coredump_filter",
        coredump_filter,
        Some("0000007f"),
    ),
    probe("no huge pages, by prctl(2)", thp_disable, Some("1")),
    probe("no writable code, by prctl(2)", mdwe, Some("1")),
    probe("merging, by prctl(2)", merge_any, Some("1")),
    probe("dumpable, by prctl(2)", dumpable, Some("0")),
    probe("membarrier(2) is registered", membarrier, Some("0")),
];
