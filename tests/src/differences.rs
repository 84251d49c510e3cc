// SPDX-License-Identifier: GPL-2.0-only

//! The intended differences between the module and unshare(2) and setns(2). Any other difference is
//! a bug, and so is a listed one that does not occur.

use std::ops::Range;

use crate::attach::order;
use crate::contexts::files_dropped;
use crate::race;

/// One case of [`differential`](crate::differential) or of [that of
/// attaching](crate::attach::differential), and why its outcomes differ.
pub(crate) struct Difference {
    /// The series of kernels on which it occurs: from the first one, and before the second.
    pub(crate) series: Range<(u32, u32)>,
    pub(crate) case: &'static str,
    /// The beginning of the syscall's outcome.
    pub(crate) syscall: &'static str,
    /// The beginning of the ioctl's outcome.
    pub(crate) ioctl: &'static str,
    pub(crate) reason: &'static str,
}

impl Difference {
    /// Whether it occurs on a kernel of that release.
    pub(crate) fn is_on(&self, release: &str) -> bool {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let (Some(Ok(version)), Some(Ok(patchlevel))) = (numbers.next(), numbers.next()) else {
            panic!("no release: {release}");
        };
        self.series.contains(&(version, patchlevel))
    }
}

const ALL: Range<(u32, u32)> = (0, 0)..(u32::MAX, 0);
const BEFORE_7_3: Range<(u32, u32)> = (0, 0)..(7, 3);
const FROM_7_3: Range<(u32, u32)> = (7, 3)..(u32::MAX, 0);

pub(crate) const INTENDED: [Difference; 18] = [
    Difference {
        series: ALL,
        case: "CLONE_VM, with a shared address space",
        syscall: "Invalid argument",
        ioctl: "success\nkcmp/vm: other",
        reason: "an address space can be left",
    },
    Difference {
        series: ALL,
        case: "CLONE_VM, with shared address space and signal handlers",
        syscall: "Invalid argument",
        ioctl: "success\nkcmp/sighand: other\nkcmp/vm: other",
        reason: "an address space can be left, and implies the handlers in it",
    },
    Difference {
        series: ALL,
        case: "CLONE_SIGHAND, with shared address space and signal handlers",
        syscall: "Invalid argument",
        ioctl: "success\nkcmp/sighand: other",
        reason: "handlers can be left",
    },
    Difference {
        series: ALL,
        case: "CLONE_THREAD, with a shared address space",
        syscall: "success",
        ioctl: "success\nkcmp/vm: other",
        reason: "leaving the thread group implies leaving the address space, as the manual says",
    },
    Difference {
        series: ALL,
        case: "CLONE_THREAD, with shared address space and signal handlers",
        syscall: "success",
        ioctl: "success\nkcmp/sighand: other\nkcmp/vm: other",
        reason: "leaving the thread group implies leaving the handlers, as the manual says",
    },
    Difference {
        series: ALL,
        case: "CLONE_EMPTY_MNTNS, a usual caller",
        syscall: "Invalid argument",
        ioctl: "success",
        reason: "clone3(2)'s bit is accepted beside unshare(2)'s",
    },
    Difference {
        series: ALL,
        case: "CLONE_NEWUSER and an unknown bit, with unprivileged_userns_clone=0",
        syscall: "Operation not permitted",
        ioctl: "Invalid argument",
        reason: "what is not understood is refused before it is asked who may have it",
    },
    Difference {
        series: ALL,
        case: "CLONE_NEWCGROUP on a kernel without, a usual caller",
        syscall: "success",
        ioctl: "Invalid argument",
        reason: "the module reports only namespaces that are new",
    },
    Difference {
        series: ALL,
        case: "attach CLONE_NEWNS, with a shared fs_struct",
        syscall: "Invalid argument",
        ioctl: "success",
        reason: "the caller gets its own root and working directory first",
    },
    Difference {
        series: ALL,
        case: "attach CLONE_NEWUSER, with a shared fs_struct",
        syscall: "Invalid argument",
        ioctl: "success",
        reason: "the caller gets its own root and working directory first",
    },
    Difference {
        series: BEFORE_7_3,
        case: "attach CLONE_NEWNS | CLONE_NEWUTS, with a shared fs_struct",
        syscall: "success\nof the sharer: {\"cwd\", \"root\"}",
        ioctl: "success\nof the sharer: {}",
        reason: "nobody's root moves to a namespace that it is not in",
    },
    Difference {
        series: FROM_7_3,
        case: "attach CLONE_NEWNS | CLONE_NEWUTS, with a shared fs_struct",
        syscall: "Invalid argument",
        ioctl: "success\nof the sharer: {}",
        reason: "the caller gets its own root and working directory first",
    },
    Difference {
        series: ALL,
        case: "attach CLONE_NEWNS | CLONE_NEWUSER, with a shared fs_struct",
        syscall: "Invalid argument",
        ioctl: "success",
        reason: "the caller gets its own root and working directory first",
    },
    Difference {
        series: ALL,
        case: "attach all, with a shared fs_struct",
        syscall: "Invalid argument",
        ioctl: "success",
        reason: "the caller gets its own root and working directory first",
    },
    Difference {
        series: ALL,
        case: "attach CLONE_NEWNS, with threads",
        syscall: "Invalid argument",
        ioctl: "success",
        reason: "a thread can attach, with a root and working directory of its own",
    },
    Difference {
        series: ALL,
        case: race::CASE,
        syscall: race::TORN,
        ioctl: race::WHOLE,
        reason: "namespaces and root change in one section of task_lock",
    },
    Difference {
        series: ALL,
        case: files_dropped::CASE,
        syscall: files_dropped::CANCELLED,
        ioctl: files_dropped::KEPT,
        reason: "a copy that no task gets closes no descriptor",
    },
    Difference {
        series: ALL,
        case: order::UNKNOWN_BIT,
        // The errno of the other fault, if the system call checks that one first.
        syscall: "",
        ioctl: "Invalid argument",
        reason: "what is not understood is refused before anything else is looked at",
    },
];
