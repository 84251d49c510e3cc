// SPDX-License-Identifier: GPL-2.0-only

use std::mem::{offset_of, size_of};

use rustix::ioctl::opcode;

use super::*;

#[test]
fn layout_is_the_published_one() {
    assert_eq!(
        size_of::<raw::unshare_args>(),
        raw::UNSHARE_ARGS_SIZE_VER0 as usize
    );
    assert_eq!(
        size_of::<raw::unshare_query>(),
        raw::UNSHARE_QUERY_SIZE_VER0 as usize
    );
    assert_eq!(offset_of!(raw::unshare_args, pidfd), 16);
    assert_eq!(offset_of!(raw::unshare_args, options), 20);
    assert_eq!(offset_of!(raw::unshare_args, close_first), 24);
    assert_eq!(offset_of!(raw::unshare_args, close_last), 28);
    assert_eq!(offset_of!(raw::unshare_args, replaced), 32);
    assert_eq!(offset_of!(raw::unshare_args, failed), 40);
    assert_eq!(offset_of!(raw::unshare_query, shared), 24);
}

#[test]
fn ioctl_numbers_are_the_published_ones() {
    assert_eq!(raw::UNSHARE_IOC_COMMIT, 0xC030_BE01);
    assert_eq!(raw::UNSHARE_IOC_QUERY, 0x8020_BE02);
    assert_eq!(raw::UNSHARE_IOC_LOCAL, 0xC030_BE03);
    assert_eq!(raw::UNSHARE_IOC_ENTER, 0xBE04);
    assert_eq!(raw::UNSHARE_IOC_LEAVE, 0xBE05);

    let magic = raw::UNSHARE_IOC_MAGIC as u8;
    assert_eq!(
        raw::UNSHARE_IOC_COMMIT,
        opcode::read_write::<raw::unshare_args>(magic, 1)
    );
}

#[test]
fn another_device_answers_enotty() {
    let Ok(device) = Device::open_at("/dev/null") else {
        panic!("/dev/null does not open");
    };
    // SAFETY: The request names no context.
    let error = unsafe { device.commit(&Request::new()) }.unwrap_err();
    assert_eq!(error.errno, rustix::io::Errno::NOTTY);
    assert!(error.context.is_empty());
    assert!(device.query().is_err());
}
