// SPDX-License-Identifier: GPL-2.0-only

//! Descriptor tables of different sizes, with and without a range left out.

use std::ffi::c_long;

use anyhow::Result;
use unshare_device::Contexts;

use super::plan::{Plan, way};
use super::scene::{bare, commit, done, open, unshare};
use crate::device::{self, close_range};
use crate::sharer::Sharer;

const FILES: Contexts = Contexts::FILES;

pub(super) fn plans() -> Vec<Plan> {
    let sizes = [3, 64, 1024, 65_536];
    let whole = sizes.map(|size| {
        let args = move || Ok((table(size)?, device::unshare(FILES)));
        Plan::new(
            format!("files, {size} open"),
            way(args, |(_, args)| commit(args)),
        )
        .against("unshare", way(move || table(size), |_| unshare(FILES)))
        .at("files", "descriptors", size.unsigned_abs() as usize)
    });
    let range = sizes[1..].iter().map(|&size| {
        let args = move || Ok((table(size)?, close_range(FILES, 3, u32::MAX)));
        Plan::new(
            format!("files, 3 of {size}"),
            way(args, |(_, args)| commit(args)),
        )
        .against(
            "close_range",
            way(
                move || table(size),
                |_| range(libc::CLOSE_RANGE_UNSHARE.into()),
            ),
        )
        .against(
            "unshare, close_range",
            way(
                move || table(size),
                |_| unshare(FILES).and_then(|()| range(0)),
            ),
        )
        .at("files, 3 kept", "descriptors", size.unsigned_abs() as usize)
    });
    whole.into_iter().chain(range).collect()
}

/// Two tasks share a table with `size` descriptors.
fn table(size: i32) -> Result<Sharer> {
    bare()?;
    open(size)?;
    Sharer::new(FILES)
}

/// close_range(2) of everything but the first three.
#[inline(always)]
fn range(flags: c_long) -> rustix::io::Result<()> {
    // SAFETY: The scene left the descriptors to the request.
    done(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, flags) })
}
