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
    probe(
        "as fork(2): private memory is copied",
        private,
        Some("all there"),
    ),
    probe(
        "as fork(2): a MADV_DONTFORK mapping is not copied",
        dontfork,
        Some("mapped: false"),
    ),
    probe(
        "as fork(2): a MADV_WIPEONFORK mapping is zeroed",
        wipeonfork,
        Some("0"),
    ),
    probe(
        "as fork(2): mlock(2) is not inherited",
        locked,
        Some("0 kB"),
    ),
    probe(
        "as fork(2): mlockall(MCL_FUTURE) is not inherited",
        locked_future,
        Some("0 kB"),
    ),
    probe(
        "as fork(2): an AIO context is not copied",
        aio,
        Some("EINVAL"),
    ),
    probe(
        "as fork(2): protection keys stay allocated",
        pkeys,
        Some("access kept, freed: Ok"),
    ),
    #[cfg(target_arch = "x86_64")]
    probe(
        "as fork(2): the LDT is copied and loaded",
        ldt,
        Some("kept"),
    ),
    #[cfg(target_arch = "aarch64")]
    probe(
        "memory tags are copied, and checked",
        tags,
        Some("tag 5, by it: 7, by another: EFAULT"),
    ),
    probe(
        "as fork(2): brk(2) continues at the same address",
        heap,
        Some("goes on"),
    ),
    probe("as fork(2): the vDSO works", vdso, Some("ELF")),
    #[cfg(target_arch = "x86_64")]
    probe(
        "as fork(2): the vDSO unlocks robust futexes",
        robust_unlock,
        Some("torn: 0"),
    ),
    probe(
        "as fork(2): huge pages are copied as huge pages",
        huge,
        Some("all there, huge: true"),
    ),
    probe(
        "as fork(2): KSM pages are copied",
        merged,
        Some("all there"),
    ),
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
    probe("as fork(2): PR_SET_THP_DISABLE", thp_disable, Some("1")),
    probe("as fork(2): PR_SET_MDWE", mdwe, Some("1")),
    probe("as fork(2): PR_SET_MEMORY_MERGE", merge_any, Some("1")),
    probe("as fork(2): PR_SET_DUMPABLE", dumpable, Some("0")),
    probe(
        "as fork(2): the membarrier(2) registration",
        membarrier,
        Some("0"),
    ),
];
