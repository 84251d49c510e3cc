// SPDX-License-Identifier: GPL-2.0-only

//! Bad arguments: the errno, no change, no line in the kernel log.

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::{
    Args, CLOSE_RANGE, COMMIT, DRY_RUN, HOLD, LOCAL, QUERY, UNSHARE_EMPTY_MNTNS, unshare,
};
use crate::harness::Suite;
use crate::kmsg::KernelLog;
use crate::world::World;

const NONE: Contexts = Contexts::empty();

pub(crate) fn suite() -> Suite {
    Suite::new("abi")
        .test("an empty request: success, and nothing changes", nothing)
        .test("each unknown unshare bit: EINVAL", unknown_unshare_bits)
        .test("each unknown attach bit: EINVAL", unknown_attach_bits)
        .test("each unknown option: EINVAL", unknown_options)
        .test("a pidfd without attach: EINVAL", pidfd_without_attach)
        .test("an invalid close range: EINVAL", close_ranges)
        .test("unknown ioctl numbers: ENOTTY", unknown_ioctls)
}

fn refused(request: Args, failed: Contexts) -> Result<()> {
    let mut log = KernelLog::from_now()?;
    World::sharing(Contexts::FS | Contexts::FILES)?.refuses(request, Errno::INVAL, failed)?;
    log.ensure_silent()
}

/// The base of requests with exactly one fault: it would change something.
fn good() -> Args {
    unshare(Contexts::FS | Contexts::FILES | Contexts::UTS)
}

fn nothing() -> Result<()> {
    World::sharing(Contexts::FS | Contexts::FILES)?.replaces(Args::default(), NONE, &[])
}

/// Sets each bit that is not one of `known`, alone and in addition to a good request.
fn unknown(known: Contexts, set: fn(&mut Args, u64)) -> Result<()> {
    let world = World::sharing(Contexts::FS | Contexts::FILES)?;
    let mut log = KernelLog::from_now()?;
    let before = world.snapshot()?;
    let bits = (0..u64::BITS).map(|bit| 1 << bit);
    for bit in bits.filter(|&bit| !known.intersects(Contexts::from_bits_retain(bit))) {
        for mut args in [Args::default(), good()] {
            set(&mut args, bit);
            let reply = world.device.commit(args);
            let refused = reply.errno == Some(Errno::INVAL);
            ensure!(
                refused && (reply.replaced, reply.failed) == (NONE, NONE),
                "{bit:#x}: {reply:?}"
            );
        }
    }
    before.ensure_same(&world.snapshot()?)?;
    log.ensure_silent()
}

fn unknown_unshare_bits() -> Result<()> {
    let named = Contexts::all().iter_names().map(|(_, context)| context);
    let known = named.fold(UNSHARE_EMPTY_MNTNS, Contexts::union);
    unknown(known, |args, bit| args.unshare |= bit)
}

fn unknown_attach_bits() -> Result<()> {
    let known = Contexts::NAMESPACES.difference(Contexts::EMPTY_MNTNS) | Contexts::FS;
    unknown(known, |args, bit| args.attach |= bit)
}

fn unknown_options() -> Result<()> {
    // Options have 32 bits, so there are no higher bits to set.
    let known = Contexts::from_bits_retain((CLOSE_RANGE | DRY_RUN | HOLD).into());
    let beyond = Contexts::from_bits_retain(!u64::from(u32::MAX));
    unknown(known | beyond, |args, bit| args.options |= bit as u32)
}

fn pidfd_without_attach() -> Result<()> {
    refused(Args { pidfd: 1, ..good() }, NONE)?;
    refused(
        Args {
            pidfd: -1,
            ..good()
        },
        NONE,
    )
}

fn close_ranges() -> Result<()> {
    let range = |contexts, options, close_first, close_last| Args {
        options,
        close_first,
        close_last,
        ..unshare(contexts)
    };
    let files = Contexts::FILES;
    refused(range(Contexts::FS, CLOSE_RANGE, 100, 200), NONE)?;
    refused(range(files, CLOSE_RANGE, 200, 100), NONE)?;
    refused(range(files, 0, 0, 100), NONE)?;
    refused(range(files, 0, 100, 0), NONE)?;
    refused(range(files, DRY_RUN, 0, 100), NONE)
}

fn unknown_ioctls() -> Result<()> {
    let world = World::sharing(Contexts::FS | Contexts::FILES)?;
    let mut log = KernelLog::from_now()?;
    let before = world.snapshot()?;
    let direction = 3 << 30;
    let known = [COMMIT, LOCAL, QUERY].map(|number| number & 0xff);
    let numbers = (0..=0xff).filter(|number| !known.contains(number));
    let wrong_number = numbers.map(|number| COMMIT & !0xff | number);
    // Also with its size: some of these numbers have a meaning for the kernel on every device.
    let wrong_direction = [COMMIT, LOCAL, QUERY].into_iter().flat_map(|number| {
        let directions = (0..4).map(move |bits| number & !direction | bits << 30);
        directions.filter(move |&other| other != number)
    });
    let wrong_letter = [COMMIT, LOCAL, QUERY].map(|number| number ^ 0x100);
    for number in wrong_number.chain(wrong_direction).chain(wrong_letter) {
        let mut args = good();
        let errno = world.device.ioctl(number, (&raw mut args).cast());
        ensure!(errno == Some(Errno::NOTTY), "{number:#x}: {errno:?}");
        ensure!(args == good(), "{number:#x} wrote {args:?}");
    }
    before.ensure_same(&world.snapshot()?)?;
    log.ensure_silent()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use unshare_device::Contexts;

    #[test]
    fn the_header_and_the_crate_have_the_same_names_for_each_bit() {
        let program = concat!(env!("OUT_DIR"), "/names");
        let printed = Command::new(program).output().expect("build.rs made it");
        let printed = String::from_utf8(printed.stdout).expect("names are UTF-8");
        let bits = (0..u64::BITS).map(|bit| Contexts::from_bits_retain(1 << bit));
        let names = bits.map(|bit| bit.kernel_name().unwrap_or("unknown context"));
        let wanted: Vec<_> = names
            .chain(["arguments or target", "unknown context"])
            .collect();
        assert_eq!(printed.lines().collect::<Vec<_>>(), wanted);
    }
}
