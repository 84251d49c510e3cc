// SPDX-License-Identifier: GPL-2.0-only

use std::fs::File;
use std::os::fd::AsFd;

use super::*;

#[test]
fn nothing_is_all_zero() {
    assert_eq!(Request::new().to_raw(), raw::unshare_args::default());
}

#[test]
fn every_part_has_its_field() {
    let stdin = std::io::stdin();
    let request = Request::new()
        .unshare(Contexts::FS)
        .unshare(Contexts::FILES)
        .attach(Contexts::NET, stdin.as_fd())
        .close_range(3..=u32::MAX)
        .dry_run(true);
    let expected = raw::unshare_args {
        unshare: raw::CLONE_FS | raw::CLONE_FILES,
        attach: raw::CLONE_NEWNET,
        pidfd: 0,
        options: raw::UNSHARE_DRY_RUN | raw::UNSHARE_CLOSE_RANGE,
        close_first: 3,
        close_last: u32::MAX,
        replaced: 0,
        failed: 0,
    };
    assert_eq!(request.to_raw(), expected);
    assert_eq!(request.unshared(), Contexts::FS | Contexts::FILES);
    assert_eq!(request.attached(), Contexts::NET);
}

#[test]
fn the_last_task_is_the_one() {
    let null = File::open("/dev/null").unwrap();
    let stdin = std::io::stdin();
    let request = Request::new()
        .attach(Contexts::NET, stdin.as_fd())
        .attach(Contexts::MOUNT | Contexts::FS, null.as_fd());
    let raw = request.to_raw();
    assert_eq!(raw.attach, raw::CLONE_NEWNS | raw::CLONE_FS);
    assert_eq!(raw.pidfd, null.as_raw_fd());
}

#[test]
fn no_contexts_name_no_task() {
    let null = File::open("/dev/null").unwrap();
    let request = Request::new()
        .attach(Contexts::NET, null.as_fd())
        .attach(Contexts::empty(), null.as_fd());
    assert_eq!(request.to_raw(), raw::unshare_args::default());
    assert!(request.attached().is_empty());
}
