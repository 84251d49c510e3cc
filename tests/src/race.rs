// SPDX-License-Identifier: GPL-2.0-only

//! Can an observer see a task in its new mount namespace with its old root?

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::getpid;
use unshare_device::Contexts;

use crate::backend::Backend;
use crate::check::ensure;
use crate::child::{Child, in_child};
use crate::device::{Device, ioctl};
use crate::differential::judge;
use crate::mailbox::{Mailbox, Page};
use crate::oracle::place;

pub(crate) const CASE: &str = "an observer, while mount namespaces change";
pub(crate) const TORN: &str = "sees a new namespace with an old root";
pub(crate) const WHOLE: &str = "sees both or neither";

const CAUGHT: u32 = 1;
const BLIND: u32 = 2;

pub(crate) fn compare() -> Result<()> {
    // unshare(2) is caught soon, though later on a busy machine.
    let (number, syscall) = changes(Backend::Syscall, |_, elapsed| elapsed.as_secs() >= 120)?;
    // If the module changed both one after the other, four times as many changes would show it, in
    // forty-nine of fifty runs.
    let (_, ioctl) = changes(Backend::Ioctl, |changes, elapsed| {
        changes >= 4 * number && elapsed.as_secs() >= 1
    })?;
    judge(CASE, &syscall, &ioctl)
}

/// Moves from one mount namespace to the next while an observer looks, until the observer catches a
/// mixture or `enough`.
fn changes(backend: Backend, enough: impl Fn(usize, Duration) -> bool) -> Result<(usize, String)> {
    let told = in_child(|| observed(backend, enough))?;
    let (changes, outcome) = told.split_once(' ').context("two words")?;
    Ok((changes.parse()?, outcome.to_owned()))
}

/// Returns how many changes there were, and what the observer saw.
fn observed(backend: Backend, enough: impl Fn(usize, Duration) -> bool) -> Result<String> {
    let device = Device::open()?;
    let mailbox = Mailbox::new()?;
    let page = mailbox.page();
    let task = getpid().as_raw_nonzero().get();
    let _observer = Child::spawn(|| {
        let end = observe(task, page);
        if let Err(error) = &end {
            page.post(BLIND, &format!("{error:#}"));
        }
        end
    })?;
    let start = Instant::now();
    let mut changes = 0;
    while !enough(changes, start.elapsed()) && page.state() != CAUGHT {
        // The observer must see this state before the next change.
        let seen = page.word.load(Relaxed);
        while page.state() == 0 && page.word.load(Relaxed) < seen + 2 {
            yield_now();
        }
        ensure!(page.state() != BLIND, "the observer: {}", page.text());
        if let Err(errno) = backend.unshare(&device, Contexts::MOUNT) {
            return Ok(format!("{changes} {errno}"));
        }
        changes += 1;
    }
    let seen = match page.state() {
        CAUGHT => TORN,
        _ => WHOLE,
    };
    Ok(format!("{changes} {seen}"))
}

/// Looks as fast as it can which root is in which namespace. If a task changes both at once, each
/// namespace has one root, and each root one namespace.
fn observe(task: i32, page: &Page) -> Result<String> {
    let mut root_of = HashMap::new();
    let mut namespace_of = HashMap::new();
    loop {
        let number = namespace(task)?;
        let root = place(&format!("/proc/{task}/root"))?;
        if number == namespace(task)? {
            let first_root = root_of.entry(number).or_insert_with(|| root.clone());
            let first_namespace = namespace_of.entry(root.clone()).or_insert(number);
            if *first_root != root || *first_namespace != number {
                page.post(CAUGHT, "");
                return Ok(String::new());
            }
        }
        page.word.fetch_add(1, Relaxed);
    }
}

/// Returns the number of a task's mount namespace, which no later one gets.
fn namespace(task: i32) -> Result<u64> {
    /// `NS_GET_MNTNS_ID`
    const GET_ID: u32 = 2 << 30 | 8 << 16 | 0xb7 << 8 | 5;
    let file = File::open(format!("/proc/{task}/ns/mnt"))?;
    let mut id = 0;
    match ioctl(file.as_raw_fd(), GET_ID, (&raw mut id).cast()) {
        None => Ok(id),
        Some(errno) => Err(errno.into()),
    }
}
