// SPDX-License-Identifier: GPL-2.0-only

//! Nothing is left of held contexts and of stays: no memory, namespace, mount or descriptor.

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use anyhow::{Context, Result};
use unshare_device::Contexts;

use super::{ALL, Held, wait_until};
use crate::check::{bail, ensure};
use crate::child::{Child, in_child};
use crate::device::checked;
use crate::harness::Suite;
use crate::memory::field_of;
use crate::module::{Unloaded, users};
use crate::scale::{is_slow, limit, proof, rounds};
use crate::slab::leaves_nothing;

/// How often a thread enters and leaves: on most kernels, and on those that check everything.
const STAYS: [usize; 2] = [1_000_000, 20_000];

pub(crate) fn suite() -> Suite {
    Suite::new("held_residue")
        .slow(
            "a million times there and back: no cache of the kernel grows, and no other memory is used",
            limit(),
            stays_leave_nothing,
        )
        .slow(
            "there and back inside of another context leaves nothing",
            limit(),
            nested_stays_leave_nothing,
        )
        .slow(
            "a context that is held and closed leaves nothing",
            limit(),
            closing_leaves_nothing,
        )
        .slow(
            "processes that end inside leave nothing",
            limit(),
            ends_leave_nothing,
        )
}

/// How many objects of a cache a proof may have more afterwards: the processors keep some dozens in stock.
const STOCK: usize = 500;

/// How many bytes a proof may use: the kernel's own caches change by less.
const NOISE: u64 = 4 << 20;

fn stays_leave_nothing() -> Result<()> {
    let [fast, slow] = STAYS;
    let stays = proof(fast, slow);
    eprintln!("{stays} times there and back");
    let held = Held::new(ALL)?;
    let free = available()?;
    leaves_nothing(stays, STOCK, || held.inside(|| Ok(())))?;
    // A kernel that checks everything keeps freed memory, and looks for leaks itself after the tests.
    if !is_slow() {
        let used = free.saturating_sub(available()?);
        ensure!(used < NOISE, "{used} bytes after {stays} times");
    }
    Ok(())
}

/// Returns the bytes of memory that programs could get.
fn available() -> Result<u64> {
    let kilobytes = field_of("/proc/meminfo", "MemAvailable:")?;
    let number = kilobytes.split_whitespace().next().context("no number")?;
    Ok(number.parse::<u64>()? << 10)
}

fn nested_stays_leave_nothing() -> Result<()> {
    let [held, other] = [Held::new(ALL)?, Held::new(Contexts::NET)?];
    let times = rounds(1000, 1_000_000);
    leaves_nothing(times, times / 2, || held.inside(|| other.inside(|| Ok(()))))
}

fn closing_leaves_nothing() -> Result<()> {
    let times = rounds(40, 1000);
    leaves_nothing(times, times, || {
        let held = Held::new(ALL)?;
        held.inside(|| Ok(()))
    })
}

fn ends_leave_nothing() -> Result<()> {
    let held = Held::new(ALL)?;
    let times = rounds(40, 900);
    leaves_nothing(times, times, || {
        in_child(|| {
            held.enter()?;
            held.enter()?;
            Ok(String::new())
        })?;
        let child = Child::spawn(|| {
            held.enter()?;
            loop {
                thread::park();
            }
        })?;
        child.stop()
    })
}

/// What held contexts and stays could leave behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Residue {
    /// All that are in use, in whatever task or descriptor.
    namespaces: BTreeSet<u64>,
    /// Of the caller's mount namespace.
    mounts: BTreeSet<String>,
    /// Of the caller.
    descriptors: BTreeSet<String>,
    /// Of the module: each held context and each entry is one.
    users: usize,
}

impl Residue {
    pub(super) fn now() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let links = fs::read_dir("/proc/self/fd")?.filter_map(|entry| {
            let path = entry.ok()?.path();
            Some(format!(
                "{} {}",
                path.display(),
                fs::read_link(&path).ok()?.display()
            ))
        });
        Ok(Self {
            namespaces: namespaces()?,
            mounts: mounts.lines().map(str::to_owned).collect(),
            descriptors: links.collect(),
            users: users()?,
        })
    }

    /// Fails if something is there that was not, and if the module cannot be unloaded.
    pub(super) fn ensure_none_since(&self) -> Result<()> {
        // Workers free namespaces.
        let gone = wait_until(|| Ok(Self::now()? == *self));
        let Ok(()) = gone else {
            bail!("{:?} instead of {self:?}", Self::now()?);
        };
        drop(Unloaded::new()?);
        Ok(())
    }
}

/// Returns the numbers of all namespaces, by listns(2).
fn namespaces() -> Result<BTreeSet<u64>> {
    const LISTNS: libc::c_long = 470;
    // One call has room for all: a second one would begin after a namespace that may be gone by then.
    let mut found = vec![0_u64; 4096];
    // `struct ns_id_req`: its size, no namespace to begin after, all kinds, any user namespace.
    let request: [u64; 4] = [32, 0, 0, 0];
    // SAFETY: Both live across the call, and the kernel writes at most as many numbers.
    let count = checked(unsafe {
        libc::syscall(LISTNS, request.as_ptr(), found.as_mut_ptr(), found.len(), 0)
    });
    let count = usize::try_from(count.context("listns")?)?;
    ensure!(count < found.len(), "more than {count} namespaces");
    Ok(found.into_iter().take(count).collect())
}
