// SPDX-License-Identifier: GPL-2.0-only

//! What a child has of its parent's address space, point by point.

use std::ffi::c_void;
use std::fs;
use std::ptr;

use anyhow::Result;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MlockAllFlags, madvise, mlock, mlockall};

use super::vm_proc::{
    coredump_filter, dumpable, exe, mdwe, membarrier, merge_any, proc, thp_disable,
};
use crate::child::skip;
use crate::device::checked;
use crate::machine::Setting;
use crate::mailbox::Mapping;
use crate::memory::{PAGE, field, field_of, is_mapped, mark_all, marked, read, unmarked};
use crate::twin::Twin;

pub(super) struct Probe {
    pub(super) name: &'static str,
    pub(super) outcome: fn(Twin) -> Result<String>,
    /// What it is, where that is the same on every machine.
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
    probe("the LDT is a copy", ldt, Some("kept")),
    probe("the heap goes on where it was", heap, Some("goes on")),
    probe("the vdso answers", vdso, Some("ELF")),
    probe("huge pages are a copy", huge, Some("all there")),
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
    probe("the robust list is its own to set", robust_list, None),
];

fn private(twin: Twin) -> Result<String> {
    let pages = marked(300, 5, MapFlags::PRIVATE)?;
    let seen = twin.look(|| Ok(all_there(&pages, 5)))?;
    Ok(seen)
}

fn all_there(pages: &Mapping, mark: u64) -> String {
    match unmarked(pages, mark) {
        0 => "all there".to_owned(),
        lost => format!("{lost} pages lost"),
    }
}

fn advised(pages: usize, advice: Advice) -> Result<Mapping> {
    let mapping = marked(pages, 5, MapFlags::PRIVATE)?;
    // SAFETY: The advice is about what a child gets.
    match unsafe { madvise(mapping.start(), mapping.len(), advice) } {
        Err(Errno::INVAL) => skip("this kernel does not take the advice"),
        outcome => {
            outcome?;
            Ok(mapping)
        }
    }
}

fn dontfork(twin: Twin) -> Result<String> {
    let page = advised(1, Advice::LinuxDontFork)?;
    twin.look(|| Ok(format!("mapped: {}", is_mapped(page.start()))))
}

fn wipeonfork(twin: Twin) -> Result<String> {
    let page = advised(1, Advice::LinuxWipeOnFork)?;
    twin.look(|| Ok(read(page.start()).to_string()))
}

fn locked(twin: Twin) -> Result<String> {
    let page = marked(4, 5, MapFlags::PRIVATE)?;
    // SAFETY: Locking changes nothing of what is there.
    unsafe { mlock(page.start(), page.len())? };
    twin.look(|| field("/proc/self/status", "VmLck"))
}

fn locked_future(twin: Twin) -> Result<String> {
    mlockall(MlockAllFlags::FUTURE)?;
    twin.look(|| {
        let _page = marked(4, 5, MapFlags::PRIVATE)?;
        field("/proc/self/status", "VmLck")
    })
}

fn aio(twin: Twin) -> Result<String> {
    let mut context: usize = 0;
    // SAFETY: The kernel writes one number.
    match checked(unsafe { libc::syscall(libc::SYS_io_setup, 8, &raw mut context) }) {
        Err(Errno::NOSYS) => return skip("this kernel has no aio"),
        outcome => outcome?,
    };
    twin.look(|| {
        let none = ptr::null::<c_void>();
        // SAFETY: Nothing is submitted.
        let outcome = checked(unsafe { libc::syscall(libc::SYS_io_submit, context, 0, none) });
        Ok(match outcome {
            Err(Errno::INVAL) => "EINVAL".to_owned(),
            other => format!("{other:?}"),
        })
    })
}

fn pkeys(twin: Twin) -> Result<String> {
    // SAFETY: pkey_alloc(2) takes numbers.
    let key = match checked(unsafe { libc::syscall(libc::SYS_pkey_alloc, 0, 0) }) {
        Err(Errno::NOSPC | Errno::NOSYS | Errno::INVAL) => {
            return skip("this machine has no protection keys");
        }
        key => key?,
    };
    let page = marked(1, 5, MapFlags::PRIVATE)?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: The page is this function's own, and stays accessible.
    checked(unsafe { libc::syscall(libc::SYS_pkey_mprotect, page.start(), PAGE, access, key) })?;
    twin.look(|| {
        let kept = if read(page.start()) == 5 {
            "access kept"
        } else {
            "access lost"
        };
        // SAFETY: As above.
        let freed = checked(unsafe { libc::syscall(libc::SYS_pkey_free, key) });
        Ok(format!(
            "{kept}, freed: {}",
            freed.map_or_else(|e| e.to_string(), |_| "Ok".into())
        ))
    })
}

/// Reads the table, as much as one entry of it.
fn read_ldt() -> Result<[u8; 8]> {
    let mut entry = [0; 8];
    // SAFETY: The kernel writes as many bytes as there are.
    checked(unsafe { libc::syscall(libc::SYS_modify_ldt, 0, entry.as_mut_ptr(), 8) })?;
    Ok(entry)
}

fn ldt(twin: Twin) -> Result<String> {
    // Entry 0, base 0x1000, limit 0xffff, 32 bits, a page's granularity, usable.
    let entry = [0_u32, 0x1000, 0xffff, 0b101_0001];
    // SAFETY: Nothing refers to the entry.
    match checked(unsafe { libc::syscall(libc::SYS_modify_ldt, 0x11, entry.as_ptr(), 16) }) {
        Err(Errno::NOSYS) => return skip("this kernel has no LDT"),
        outcome => outcome?,
    };
    let old = read_ldt()?;
    anyhow::ensure!(old != [0; 8], "the entry is not there");
    twin.look(|| Ok(if read_ldt()? == old { "kept" } else { "lost" }.to_owned()))
}

fn heap(twin: Twin) -> Result<String> {
    // SAFETY: Asks where it is.
    let end = unsafe { libc::sbrk(0) };
    twin.look(|| {
        // SAFETY: What is added belongs to nobody else.
        let more = unsafe { libc::sbrk(16 * 4096) };
        crate::memory::write(more.wrapping_byte_add(15 * PAGE), 1);
        Ok(if more == end { "goes on" } else { "went away" }.to_owned())
    })
}

fn vdso(twin: Twin) -> Result<String> {
    twin.look(|| {
        // SAFETY: Always sound.
        let start = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
        let start: *const u64 = ptr::without_provenance(usize::try_from(start)?);
        let _ = std::time::Instant::now();
        let magic = read(start.cast()).to_ne_bytes();
        Ok(String::from_utf8_lossy(&magic[1..4]).into_owned())
    })
}

fn huge(twin: Twin) -> Result<String> {
    let pages = advised(2048, Advice::LinuxHugepage)?;
    mark_all(&pages, 6);
    let seen = twin.look(|| Ok(all_there(&pages, 6)))?;
    mark_all(&pages, 7);
    Ok(seen)
}

fn merged(twin: Twin) -> Result<String> {
    let run = Setting::new("/sys/kernel/mm/ksm/run", "1")?;
    let _zero = Setting::new("/sys/kernel/mm/ksm/use_zero_pages", "1")?;
    let _many = Setting::new("/sys/kernel/mm/ksm/pages_to_scan", "5000")?;
    let pages = advised(64, Advice::LinuxMergeable)?;
    let zeroes = advised(64, Advice::LinuxMergeable)?;
    (0..64).for_each(|page| {
        crate::memory::write(pages.start().wrapping_byte_add(page * PAGE), 5);
        crate::memory::write(zeroes.start().wrapping_byte_add(page * PAGE), 0);
    });
    let stat = || field_of("/proc/self/ksm_stat", "ksm_zero_pages");
    for _ in 0..200 {
        if stat()? != "0" && fs::read_to_string("/sys/kernel/mm/ksm/pages_sharing")? != "0\n" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    fs::write("/sys/kernel/mm/ksm/run", "0")?;
    anyhow::ensure!(stat()? != "0", "no zero pages were merged");
    let seen = twin.look(|| {
        let whole = (0..64).all(|page| {
            read(pages.start().wrapping_byte_add(page * PAGE)) == 5
                && read(zeroes.start().wrapping_byte_add(page * PAGE)) == 0
        });
        let before = stat()?;
        mark_all(&pages, 1);
        mark_all(&zeroes, 1);
        anyhow::ensure!(
            stat()? == "0",
            "counted before: {before}, and {} in the end",
            stat()?
        );
        anyhow::ensure!(before != "0", "the copy counts no zero pages");
        Ok(if whole { "all there" } else { "lost" }.to_owned())
    });
    drop(run);
    seen
}

fn robust_list(twin: Twin) -> Result<String> {
    twin.look(|| {
        let (mut head, mut len) = (0_usize, 0_usize);
        // SAFETY: The kernel writes the two numbers.
        checked(unsafe {
            libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len)
        })?;
        Ok(head.to_string())
    })
}
