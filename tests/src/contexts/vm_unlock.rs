// SPDX-License-Identifier: GPL-2.0-only

//! The vDSO's function that releases a robust futex: if a signal arrives between the release and
//! the note that the release is done, the kernel completes the note. It finds the function's code
//! by the address space.

use std::arch::asm;
use std::ffi::c_int;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::{ptr, slice};

use anyhow::{Context, Result};
use object::{Object, ObjectSymbol};

use super::sighand::action;
use crate::check::ensure;
use crate::child::skip;
use crate::twin::Twin;

static LOCK: AtomicU32 = AtomicU32::new(0);
static PENDING: AtomicU64 = AtomicU64::new(0);
static STEPS: AtomicU32 = AtomicU32::new(0);
static TORN: AtomicU32 = AtomicU32::new(0);

/// After each instruction: whether the lock is free while the note says that it is being released.
extern "C" fn step(_: c_int) {
    STEPS.fetch_add(1, Relaxed);
    if LOCK.load(Relaxed) == 0 && PENDING.load(Relaxed) != 0 {
        TORN.fetch_add(1, Relaxed);
    }
}

/// Returns the address of the function, if the vDSO has one.
fn try_unlock() -> Result<Option<u64>> {
    // SAFETY: Always sound.
    let base = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let range = maps
        .lines()
        .find_map(|line| line.strip_suffix("[vdso]")?.split(' ').next());
    let (start, end) = range
        .and_then(|range| range.split_once('-'))
        .context("no vDSO")?;
    let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16));
    let (start, end) = (start?, end?);
    // SAFETY: It is mapped, and nobody writes to it.
    let image = unsafe { slice::from_raw_parts(ptr::with_exposed_provenance(start), end - start) };
    let symbol = object::File::parse(image)
        .with_context(|| format!("{start:#x}-{end:#x}"))?
        .dynamic_symbols()
        .find(|symbol| symbol.name() == Ok("__vdso_futex_robust_list64_try_unlock"))
        .map(|symbol| base + symbol.address());
    Ok(symbol)
}

/// Calls the function, with a signal after each instruction.
fn step_through(function: u64) {
    // SAFETY: The function takes a lock, who holds it, and a note, each of which is there; the flag that
    // traps each instruction is off again at the end.
    unsafe {
        asm!(
            "pushfq", "or qword ptr [rsp], 0x100", "popfq",
            "call {function}",
            "pushfq", "and qword ptr [rsp], -0x101", "popfq",
            function = in(reg) function,
            in("rdi") LOCK.as_ptr(), in("esi") LOCK.load(Relaxed), in("rdx") PENDING.as_ptr(),
            clobber_abi("C"),
        );
    }
}

pub(super) fn robust_unlock(twin: Twin) -> Result<String> {
    let Some(function) = try_unlock()? else {
        return skip("this kernel's vDSO releases no robust futexes");
    };
    twin.look(|| {
        action(libc::SIGTRAP, step as *const () as usize, 0, libc::SIGTRAP)?;
        LOCK.store(1, Relaxed);
        PENDING.store(1, Relaxed);
        step_through(function);
        ensure!(STEPS.load(Relaxed) > 5, "it was not stepped through");
        ensure!(LOCK.load(Relaxed) == 0 && PENDING.load(Relaxed) == 0);
        Ok(format!("torn: {}", TORN.load(Relaxed)))
    })
}
