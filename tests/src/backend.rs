// SPDX-License-Identifier: GPL-2.0-only

//! The two ways to unshare or to attach a context: the kernel's and the module's.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use unshare_device::Contexts;

use crate::attach::target::attach;
use crate::device::{Device, checked, unshare};

/// The interface that carries out the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// unshare(2) and setns(2)
    Syscall,
    /// UNSHARE_IOC_COMMIT
    Ioctl,
}

impl Backend {
    pub(crate) fn unshare(self, device: &Device, contexts: Contexts) -> Result<(), Errno> {
        match self {
            Self::Syscall => syscall(contexts),
            Self::Ioctl => device.commit(unshare(contexts)).errno.map_or(Ok(()), Err),
        }
    }

    /// Attaches `kinds` of the task behind `pidfd`.
    pub(crate) fn attach(
        self,
        device: &Device,
        pidfd: BorrowedFd<'_>,
        kinds: Contexts,
    ) -> Result<(), Errno> {
        match self {
            Self::Syscall => setns(pidfd, kinds),
            Self::Ioctl => {
                let args = attach(&pidfd, kinds, Contexts::empty());
                device.commit(args).errno.map_or(Ok(()), Err)
            }
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syscall => "syscall",
            Self::Ioctl => "ioctl",
        })
    }
}

/// unshare(2) itself, with all 64 bits, which the C library's wrapper lacks.
pub(crate) fn syscall(contexts: Contexts) -> Result<(), Errno> {
    // SAFETY: The tests own every descriptor by its number in the table at hand.
    checked(unsafe { libc::syscall(libc::SYS_unshare, contexts.bits()) }).map(drop)
}

/// setns(2) itself; the C library names some of its bits differently.
pub(crate) fn setns(pidfd: BorrowedFd<'_>, kinds: Contexts) -> Result<(), Errno> {
    // SAFETY: setns(2) takes numbers only.
    checked(unsafe { libc::syscall(libc::SYS_setns, pidfd.as_raw_fd(), kinds.bits()) }).map(drop)
}
