// SPDX-License-Identifier: GPL-2.0-only

//! The edges of the module that a task has reached, as `Documentation/dev-tools/kcov.rst` describes
//! it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context, Result, anyhow};
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SymbolKind};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::check::ensure;
use crate::device::{checked, ioctl};

const KCOV: &str = "/sys/kernel/debug/kcov";
const INIT_TRACE: u32 = 0x8008_6301;
const ENABLE: u32 = 0x6364;
const TRACE_PC: usize = 0;
/// The size of the record in words: the number of edges, and then their addresses.
const WORDS: usize = 1 << 16;

/// The kernel's record of the edges that a task goes along from [`begin`](Self::begin) to its end.
///
/// # Invariants
///
/// `area` is a mapping of `WORDS` words.
pub struct Trace {
    file: File,
    area: NonNull<AtomicU64>,
}

impl Trace {
    /// # Errors
    ///
    /// Where the kernel has no `CONFIG_KCOV`.
    pub fn new() -> Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(KCOV)
            .context(KCOV)?;
        // SAFETY: It takes a number.
        checked(unsafe { libc::ioctl(file.as_raw_fd(), INIT_TRACE.into(), WORDS) })?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let len = WORDS * size_of::<u64>();
        // SAFETY: A new mapping overlays nothing.
        let area = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                access,
                MapFlags::SHARED,
                &file,
                0,
            )?
        };
        let area = NonNull::new(area.cast()).context("mmap gave NULL")?;
        // INVARIANT: As it was asked for.
        Ok(Self { file, area })
    }

    fn word(&self, number: usize) -> &AtomicU64 {
        assert!(number < WORDS);
        // SAFETY: By the invariant the word is in the mapping. Any value is valid, and the kernel
        // also accesses whole words.
        unsafe { self.area.add(number).as_ref() }
    }

    /// Starts recording the calling thread.
    pub(crate) fn begin(&self) -> Result<()> {
        self.word(0).store(0, Relaxed);
        let refused = ioctl(
            self.file.as_raw_fd(),
            ENABLE,
            std::ptr::without_provenance_mut(TRACE_PC),
        );
        ensure!(refused.is_none(), "{KCOV}: {refused:?}");
        Ok(())
    }

    /// Returns the recorded addresses: those of the last task that began.
    pub fn addresses(&self) -> impl Iterator<Item = u64> {
        let count = self.word(0).load(Relaxed);
        let count = usize::try_from(count).unwrap_or(0).min(WORDS - 1);
        (1..=count).map(|number| self.word(number).load(Relaxed))
    }

    /// Discards the recorded addresses.
    pub fn clear(&self) {
        self.word(0).store(0, Relaxed);
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // SAFETY: By the invariant the mapping is ours, and nobody borrows of it any more.
        let _ = unsafe { munmap(self.area.as_ptr().cast(), WORDS * size_of::<u64>()) };
    }
}

/// All edges of the loaded module that can be recorded, by address, with the function that each is
/// in.
pub struct Edges(Vec<(u64, String)>);

/// The function that the compiler calls at each edge.
const RECORDER: &str = "__sanitizer_cov_trace_pc";

impl Edges {
    /// Reads the module's file and the addresses at which it was loaded.
    ///
    /// # Errors
    ///
    /// Fails if the file is not the module, or was not compiled for recording.
    pub fn of(module: &Path) -> Result<Self> {
        let shown = module.display();
        let bytes = fs::read(module).with_context(|| shown.to_string())?;
        let elf = object::File::parse(&*bytes)?;
        let away = kaslr_offset()?;
        let mut edges = Vec::new();
        for section in elf.sections() {
            let name = section.name()?;
            // What runs at load is gone by now.
            let path = format!("/sys/module/unshare/sections/{name}");
            if !name.contains(".text") || name.starts_with(".init") || name.starts_with(".exit") {
                continue;
            }
            let Ok(base) = fs::read_to_string(&path) else {
                continue;
            };
            let base = u64::from_str_radix(base.trim().trim_start_matches("0x"), 16)?;
            let functions: BTreeMap<_, _> = elf
                .symbols()
                .filter(|symbol| symbol.section_index() == Some(section.index()))
                .filter(|symbol| symbol.kind() == SymbolKind::Text)
                .map(|symbol| (symbol.address(), symbol))
                .collect();
            for (offset, relocation) in section.relocations() {
                let RelocationTarget::Symbol(target) = relocation.target() else {
                    continue;
                };
                if elf.symbol_by_index(target)?.name()? != RECORDER {
                    continue;
                }
                let function = functions.range(..=offset).next_back();
                let function = function.context("an edge in no function")?.1.name()?;
                let function = format!("{:#}", rustc_demangle::demangle(function));
                // Unit tests have their own task.
                if function.contains("::kunit::") {
                    continue;
                }
                // The kernel records where the call returns to: behind the offset that it has.
                let address = base + offset + 4 - away;
                edges.push((address, function));
            }
        }
        edges.sort_unstable();
        ensure!(!edges.is_empty(), "{shown}: without KCOV_INSTRUMENT");
        Ok(Self(edges))
    }

    /// The place of an address among all edges.
    ///
    /// # Errors
    ///
    /// When there is no edge: then nothing else of what is said here is true either.
    pub fn place(&self, address: u64) -> Result<usize> {
        let found = self.0.binary_search_by_key(&address, |edge| edge.0);
        found.map_err(|_| anyhow!("{address:#x} is no edge of the module"))
    }

    /// The functions that they are in, in the order of their places.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|(_, function)| &**function)
    }
}

/// How far the kernel is from where it was linked to be. The addresses that it records are without that.
fn kaslr_offset() -> Result<u64> {
    /// `__START_KERNEL` of x86-64, where `CONFIG_PHYSICAL_START` is what it is by default.
    const START: u64 = 0xffff_ffff_8100_0000;
    let symbols = fs::read_to_string("/proc/kallsyms")?;
    let text = symbols
        .lines()
        .find_map(|line| line.strip_suffix(" T _text"));
    Ok(u64::from_str_radix(text.context("no _text")?, 16)? - START)
}
