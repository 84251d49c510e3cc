// SPDX-License-Identifier: GPL-2.0-only

//! Seccomp filters that libseccomp has made: a filter can allow ENTER and LEAVE alone, if it compares the command
//! masked. The build has libseccomp export them, because the tests are static programs (`tests/src/filters.c`).

use std::os::fd::AsFd;
use std::ptr;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::thread::set_no_new_privs;
use unshare_device::{Contexts, raw};

use super::{Eye, Held, LEAVE, command};
use crate::check::ensure;
use crate::device::{Args, COMMIT, Device, checked, unshare};
use crate::harness::Suite;

pub(crate) fn suite() -> Suite {
    Suite::new("held_filter")
        .test(
            "a filter that compares masked allows ENTER and LEAVE, and no request of any size",
            masked,
        )
        .test(
            "a filter for the exact number is passed by a struct of another size; a masked one is not",
            another_size,
        )
        .test(
            "a filter for the exact number is passed by bits that ioctl(2) ignores; a masked one is not",
            ignored_bits,
        )
        .test(
            "a filter that a thread puts on itself inside lets it leave, unless it is for LEAVE",
            inside,
        )
}

/// What libseccomp has made of the rules with this name.
macro_rules! filter {
    ($name:literal) => {
        put_on(include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".bpf")))
    };
}

/// Puts a filter on the calling thread, for good.
fn put_on(filter: &[u8]) -> Result<()> {
    let step = |bytes: &[u8]| libc::sock_filter {
        code: u16::from_ne_bytes([bytes[0], bytes[1]]),
        jt: bytes[2],
        jf: bytes[3],
        k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    };
    let mut steps: Vec<_> = filter.chunks_exact(8).map(step).collect();
    set_no_new_privs(true)?;
    let program = libc::sock_fprog {
        len: steps.len().try_into()?,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: The program is there for the call, which reads it.
    let set = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    checked(set).context("seccomp").map(drop)
}

/// COMMIT of a struct that is longer than this module knows.
const LONGER: u32 = (COMMIT & !(0x3fff << 16)) | (64 << 16);

/// What the filters deny.
const DENIED: Result<(), Errno> = Err(Errno::NOSYS);

/// Makes a request for nothing, in a struct that is long enough for any of the numbers here.
fn request(device: &Device, number: u64) -> Result<(), Errno> {
    let mut long = [0_u64; 8];
    let args = unshare(Contexts::empty());
    // SAFETY: The room is larger than the struct, and aligned as it.
    unsafe { ptr::from_mut(&mut long).cast::<Args>().write(args) };
    // SAFETY: The room outlives the call. The kernel gets all bits of the number.
    let result = unsafe { libc::syscall(libc::SYS_ioctl, device.number(), number, &raw mut long) };
    checked(result).map(drop)
}

fn masked() -> Result<()> {
    let held = Held::new(Contexts::UTS)?;
    let device = Device::open()?;
    filter!("only-enter-and-leave")?;
    for _ in 0..2 {
        held.inside(|| Ok(()))?;
    }
    for number in [
        COMMIT,
        LONGER,
        raw::UNSHARE_IOC_LOCAL,
        raw::UNSHARE_IOC_QUERY,
    ] {
        let outcome = request(&device, number.into());
        ensure!(outcome == DENIED, "{number:#x}: {outcome:?}");
    }
    ensure!(command(device.as_fd(), LEAVE) == Err(Errno::INVAL));
    Ok(())
}

/// Has a filter for the exact number of COMMIT, and then a masked one. `number` is another form of it.
fn pass(number: u64) -> Result<()> {
    let device = Device::open()?;
    request(&device, number).context("without a filter")?;
    filter!("not-commit-exactly")?;
    ensure!(request(&device, COMMIT.into()) == DENIED);
    request(&device, number).context("with the filter for the exact number")?;
    filter!("not-commit-masked")?;
    ensure!(request(&device, number) == DENIED);
    // The filter is for requests alone.
    device.query().map(drop)
}

fn another_size() -> Result<()> {
    pass(LONGER.into())
}

fn ignored_bits() -> Result<()> {
    pass(u64::from(COMMIT) | 1 << 40)
}

fn inside() -> Result<()> {
    let held = Held::new(Contexts::UTS)?;
    let eye = Eye::new()?;
    let before = eye.view()?;
    held.enter()?;
    filter!("not-commit-masked")?;
    held.leave()?;
    before.ensure_same(&eye.view()?)?;
    held.enter()?;
    let inside = eye.view()?;
    filter!("not-leave-masked")?;
    ensure!(held.leave() == DENIED);
    ensure!(command(Device::open()?.as_fd(), LEAVE) == DENIED);
    inside.ensure_same(&eye.view()?)?;
    ensure!(before.changed(&inside).len() == 1);
    Ok(())
}
