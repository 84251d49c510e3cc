// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: what stays with the memory that the caller leaves, as unshare-device(4) lists it.

use std::ffi::c_void;

use anyhow::Result;
use rustix::io::Errno;

use super::vm::{VM, leave};
use crate::check::ensure;
use crate::child::skip;
use crate::device::{checked, unshare};
use crate::harness::Suite;
use crate::memory::is_mapped;
use crate::perf::Records;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("vm_lost")
        .test(
            "an AIO context stays with the sharer, and the caller gets EINVAL",
            aio,
        )
        .test("a new AIO context works after the request", aio_afterwards)
        .test(
            "a perf ring is not mapped in the copy and can be mapped again",
            perf,
        )
}

fn io_setup() -> Result<usize> {
    let mut context = 0_usize;
    // SAFETY: The kernel writes the number of the context.
    match checked(unsafe { libc::syscall(libc::SYS_io_setup, 4, &raw mut context) }) {
        Err(Errno::NOSYS) => skip("this kernel has no AIO"),
        outcome => Ok(outcome.map(|_| context)?),
    }
}

/// A [`Question`](crate::sharer::Question): submits nothing to the AIO context `arg`, which shows
/// whether the context exists.
fn submit_to(arg: &str) -> Result<String> {
    let context: usize = arg.parse()?;
    let none = std::ptr::null_mut::<c_void>();
    // SAFETY: There is nothing to read.
    let outcome = checked(unsafe { libc::syscall(libc::SYS_io_submit, context, 0, none) });
    Ok(format!("{outcome:?}"))
}

fn aio() -> Result<()> {
    let context = io_setup()?.to_string();
    let world = World::sharing(VM)?;
    ensure!(submit_to(&context)? == "Ok(0)");
    // The copy does not have the context's ring.
    world.replaces(unshare(VM), VM, &["kcmp/vm", "maps"])?;
    let here = submit_to(&context)?;
    ensure!(
        here == format!("{:?}", Err::<i64, _>(Errno::INVAL)),
        "{here}"
    );
    let there = world.sharer.ask(submit_to, &context)?;
    ensure!(there == "Ok(0)", "{there}");
    Ok(())
}

fn aio_afterwards() -> Result<()> {
    let world = World::sharing(VM)?;
    leave(&world)?;
    let context = io_setup()?.to_string();
    let outcome = submit_to(&context)?;
    ensure!(outcome == "Ok(0)", "{outcome}");
    Ok(())
}

fn perf() -> Result<()> {
    let records = Records::of(0)?;
    let world = World::sharing(VM)?;
    ensure!(is_mapped(records.start()));
    let reply = world.device.commit(unshare(VM));
    world.ensure_replaced(reply, VM)?;
    ensure!(!is_mapped(records.start()), "it is still mapped");
    records.map_again().map(drop)
}
