// SPDX-License-Identifier: GPL-2.0-only

//! A seccomp filter can allow ENTER and LEAVE alone, if it compares the command masked.

use std::os::fd::AsFd;
use std::ptr;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::thread::set_no_new_privs;
use unshare_device::{Contexts, raw};

use super::{Held, command};
use crate::check::ensure;
use crate::device::{COMMIT, Device, checked, unshare};
use crate::harness::Suite;

pub(crate) fn suite() -> Suite {
    Suite::new("held_filter")
        .test(
            "a filter that compares masked allows ENTER and LEAVE, and no request of any size",
            masked,
        )
        .test(
            "a filter for exact numbers is passed by another size",
            exact,
        )
}

/// COMMIT of a struct that is longer than this module knows.
const LONGER: u32 = (COMMIT & !(0x3fff << 16)) | (64 << 16);

fn masked() -> Result<()> {
    let held = Held::new(Contexts::UTS)?;
    let device = Device::open()?;
    let mask = raw::UNSHARE_IOC_MASK;
    let numbers = [raw::UNSHARE_IOC_ENTER, raw::UNSHARE_IOC_LEAVE].map(|number| number & mask);
    allow_only(mask, numbers)?;
    for _ in 0..2 {
        held.inside(|| Ok(()))?;
    }
    for number in [
        COMMIT,
        LONGER,
        raw::UNSHARE_IOC_LOCAL,
        raw::UNSHARE_IOC_QUERY,
    ] {
        let errno = request(&device, number);
        ensure!(errno == Some(Errno::NOSYS), "{number:#x}: {errno:?}");
    }
    ensure!(command(device.as_fd(), raw::UNSHARE_IOC_LEAVE) == Err(Errno::INVAL));
    Ok(())
}

fn exact() -> Result<()> {
    let device = Device::open()?;
    // What wants to deny COMMIT alone, and does so by its number.
    deny(u32::MAX, COMMIT)?;
    ensure!(request(&device, COMMIT) == Some(Errno::NOSYS));
    ensure!(
        request(&device, LONGER).is_none(),
        "the longer struct is refused"
    );
    deny(raw::UNSHARE_IOC_MASK, COMMIT & raw::UNSHARE_IOC_MASK)?;
    ensure!(request(&device, LONGER) == Some(Errno::NOSYS));
    Ok(())
}

/// A request for nothing, in a struct that is long enough.
fn request(device: &Device, number: u32) -> Option<Errno> {
    let mut long = [0_u64; 8];
    let args = unshare(Contexts::empty());
    // SAFETY: The room is larger than the struct, and aligned as it.
    unsafe {
        ptr::from_mut(&mut long)
            .cast::<crate::device::Args>()
            .write(args)
    };
    device.ioctl(number, ptr::from_mut(&mut long).cast())
}

/// The low half of the second argument of a system call: what ioctl(2) takes for a number.
const NUMBER: u32 = 24;

/// From now on, ioctl(2) with a number of ours is ENOSYS if it is not one of these, compared masked.
fn allow_only(mask: u32, numbers: [u32; 2]) -> Result<()> {
    let ours = raw::UNSHARE_IOC_MAGIC << 8;
    filter(&[
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            u32::try_from(libc::SYS_ioctl)?,
            0,
            7,
        ),
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER, 0, 0),
        op(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask, 0, 0),
        op(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            numbers[0],
            4,
            0,
        ),
        op(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            numbers[1],
            3,
            0,
        ),
        op(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0xff00, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, ours, 0, 1),
        op(libc::BPF_RET | libc::BPF_K, DENIED, 0, 0),
        op(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ])
}

/// From now on, ioctl(2) with this number, compared masked, is ENOSYS.
fn deny(mask: u32, number: u32) -> Result<()> {
    filter(&[
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            u32::try_from(libc::SYS_ioctl)?,
            0,
            4,
        ),
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER, 0, 0),
        op(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number, 0, 1),
        op(libc::BPF_RET | libc::BPF_K, DENIED, 0, 0),
        op(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ])
}

const DENIED: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

fn op(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

fn filter(operations: &[libc::sock_filter]) -> Result<()> {
    set_no_new_privs(true)?;
    let program = libc::sock_fprog {
        len: operations.len().try_into()?,
        filter: operations.as_ptr().cast_mut(),
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
