// SPDX-License-Identifier: GPL-2.0-only

//! Structs of other sizes, and structs at unusual addresses.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;

use anyhow::Result;
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, mprotect};
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::{Args, COMMIT, LOCAL, QUERY, Query, unshare};
use crate::harness::Suite;
use crate::kmsg::KernelLog;
use crate::mailbox::Mapping;
use crate::memory::{read, write};
use crate::world::World;

const SIZE: usize = size_of::<Args>();

pub(crate) fn suite() -> Suite {
    Suite::new("abi_memory")
        .test(
            "a struct shorter than version 0: EINVAL, and nothing is written",
            short,
        )
        .test("a longer struct with a zero tail: success", zero_tail)
        .test(
            "a longer struct with a tail that is not zero: E2BIG",
            nonzero_tail,
        )
        .test("the struct may have any alignment", misaligned)
        .test("a bad pointer: EFAULT, and nothing changes", bad_pointers)
        .test(
            "a struct that cannot be written: EFAULT, and nothing changes",
            read_only,
        )
        .test(
            "a struct whose end is not mapped: EFAULT, and nothing changes",
            hole,
        )
        .test(
            "a struct whose beginning is not mapped: EFAULT, and nothing is written",
            hole_before,
        )
}

/// A request that would change something.
fn good() -> Args {
    unshare(Contexts::FS | Contexts::FILES)
}

fn with_size(number: u32, size: usize) -> u32 {
    // The size is in the 14 bits from bit 16 on.
    number & !(0x3fff << 16) | u32::try_from(size).unwrap_or_default() << 16
}

fn short() -> Result<()> {
    let world = World::sharing(Contexts::FS | Contexts::FILES)?;
    let before = world.snapshot()?;
    for (number, full) in [(COMMIT, SIZE), (LOCAL, SIZE), (QUERY, size_of::<Query>())] {
        for size in 0..full {
            let mut args = good();
            let errno = world
                .device
                .ioctl(with_size(number, size), (&raw mut args).cast());
            ensure!(errno == Some(Errno::INVAL), "{size} bytes: {errno:?}");
            ensure!(args == good(), "{size} bytes: {args:?}");
        }
    }
    before.ensure_same(&world.snapshot()?)
}

/// The struct of a future version.
#[repr(C)]
struct Longer {
    args: Args,
    tail: [u8; 200],
}

fn zero_tail() -> Result<()> {
    for extra in [1, 8, 200] {
        let world = World::alone()?;
        let args = unshare(Contexts::UTS);
        let mut longer = Longer {
            args,
            tail: [0; 200],
        };
        let number = with_size(COMMIT, SIZE + extra);
        let errno = world.device.ioctl(number, (&raw mut longer).cast());
        ensure!(errno.is_none(), "{extra} more bytes: {errno:?}");
        ensure!(longer.args.replaced == Contexts::UTS.bits());
        ensure!(longer.tail == [0; 200]);
    }
    Ok(())
}

fn nonzero_tail() -> Result<()> {
    let world = World::sharing(Contexts::FS | Contexts::FILES)?;
    let before = world.snapshot()?;
    for place in [0, 1, 8, 199] {
        let mut tail = [0; 200];
        tail[place] = 1;
        let args = Args {
            replaced: u64::MAX,
            failed: u64::MAX,
            ..good()
        };
        let mut longer = Longer { args, tail };
        let number = with_size(COMMIT, size_of::<Longer>());
        let errno = world.device.ioctl(number, (&raw mut longer).cast());
        ensure!(errno == Some(Errno::TOOBIG), "at {place}: {errno:?}");
        ensure!(longer.tail == tail);
        ensure!((longer.args.replaced, longer.args.failed) == (0, 0));
        // The module does not look beyond the struct's size.
        let number = with_size(COMMIT, SIZE + place);
        let unasked = Args {
            unshare: 0,
            ..longer.args
        };
        longer.args = unasked;
        ensure!(
            world
                .device
                .ioctl(number, (&raw mut longer).cast())
                .is_none()
        );
    }
    before.ensure_same(&world.snapshot()?)
}

fn misaligned() -> Result<()> {
    for offset in 1..8 {
        let world = World::alone()?;
        let mut bytes = [0_u8; SIZE + 8];
        let args: *mut Args = bytes[offset..].as_mut_ptr().cast();
        // SAFETY: The buffer has room for the struct at this offset.
        unsafe { args.write_unaligned(unshare(Contexts::UTS)) };
        let errno = world.device.ioctl(COMMIT, args.cast());
        ensure!(errno.is_none(), "at {offset}: {errno:?}");
        // SAFETY: As above.
        let args = unsafe { args.read_unaligned() };
        ensure!(args.replaced == Contexts::UTS.bits());
    }
    Ok(())
}

/// Neither COMMIT nor LOCAL accepts a request at `pointer`, and nothing changes.
fn ensure_fault(world: &World, pointer: *mut c_void) -> Result<()> {
    let before = world.snapshot()?;
    for number in [COMMIT, LOCAL] {
        let errno = world.device.ioctl(number, pointer);
        ensure!(
            errno == Some(Errno::FAULT),
            "{number:#x} at {pointer:?}: {errno:?}"
        );
    }
    before.ensure_same(&world.snapshot()?)
}

fn bad_pointers() -> Result<()> {
    let world = World::sharing(Contexts::FS | Contexts::FILES)?;
    let mut log = KernelLog::from_now()?;
    for address in [
        0,
        1,
        0x1000,
        0x7fff_ffff_f000,
        0x8000_0000_0000,
        1 << 63,
        usize::MAX - 7,
    ] {
        let pointer = ptr::without_provenance_mut(address);
        ensure_fault(&world, pointer)?;
        ensure!(world.device.ioctl(QUERY, pointer) == Some(Errno::FAULT));
    }
    log.ensure_silent()
}

fn read_only() -> Result<()> {
    let world = World::sharing(Contexts::FS | Contexts::FILES)?;
    let page = Mapping::new(4096, MapFlags::PRIVATE)?;
    // SAFETY: The mapping is a page, which has room for the struct.
    unsafe { page.start().cast::<Args>().write(good()) };
    // SAFETY: Nothing writes to the page after this.
    unsafe { mprotect(page.start(), 4096, MprotectFlags::READ)? };
    ensure_fault(&world, page.start())?;
    ensure!(world.device.ioctl(QUERY, page.start()) == Some(Errno::FAULT));
    Ok(())
}

/// The input fields are readable, but no output field is writable.
fn hole() -> Result<()> {
    let world = World::sharing(Contexts::FS | Contexts::FILES)?;
    let pages = Mapping::new(8192, MapFlags::PRIVATE)?;
    let end = pages.start().wrapping_byte_add(4096);
    // SAFETY: Nothing uses the second page after this.
    unsafe { mprotect(end, 4096, MprotectFlags::empty())? };
    for inside in [1, 8, offset_of!(Args, replaced), SIZE - 8, SIZE - 1] {
        let start = end.wrapping_byte_sub(inside);
        let request = good();
        // SAFETY: The first page has `inside` bytes after `start`, and that many are copied.
        unsafe {
            ptr::copy_nonoverlapping((&raw const request).cast::<u8>(), start.cast(), inside)
        };
        ensure_fault(&world, start)?;
    }
    ensure!(world.device.ioctl(QUERY, end.wrapping_byte_sub(31)) == Some(Errno::FAULT));
    Ok(())
}

/// The output fields are writable, but no input field is readable.
fn hole_before() -> Result<()> {
    let world = World::sharing(Contexts::FS | Contexts::FILES)?;
    let pages = Mapping::new(8192, MapFlags::PRIVATE)?;
    let end = pages.start().wrapping_byte_add(4096);
    write(end, u64::MAX);
    // SAFETY: Nothing uses the first page after this.
    unsafe { mprotect(pages.start(), 4096, MprotectFlags::empty())? };
    ensure_fault(&world, end.wrapping_byte_sub(offset_of!(Args, replaced)))?;
    ensure!(read(end) == u64::MAX, "{:#x}", read(end));
    Ok(())
}
