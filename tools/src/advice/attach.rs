// SPDX-License-Identifier: GPL-2.0-only

use rustix::io::Errno;
use unshare_device::{Contexts, Error, Request};

use super::user_namespace;

/// For contexts of another task. The kernel attaches them before it unshares anything.
pub(super) fn advice(error: Error, request: &Request<'_>) -> Option<String> {
    let (attached, context) = (request.attached(), error.context);
    if attached.is_empty() || !attached.contains(context) {
        return None;
    }
    let words = match (error.errno, context) {
        (Errno::SRCH, _) => "the task to attach to has ended",
        (Errno::PERM, context) if context.is_empty() => {
            "the caller may not look at the task: run this as root or as the task's user, with every \
             capability that the task has (CAP_SYS_PTRACE in the task's user namespace; ptrace(2))"
        }
        (Errno::ACCESS, Contexts::FS) => {
            "the caller may not enter or look at the task's root or working directory"
        }
        (Errno::PERM, Contexts::FS) => {
            return Some(format!(
                "the caller needs CAP_SYS_CHROOT in {}: run this as root, or attach to the task's user \
                 namespace too",
                user_namespace()
            ));
        }
        (Errno::PERM, Contexts::USER) => {
            "the caller needs CAP_SYS_ADMIN in the task's user namespace: run this as root, or as \
             the user who made that namespace"
        }
        (Errno::PERM, _) if attached.contains(Contexts::USER) => {
            "the caller needs CAP_SYS_ADMIN in the user namespace that owns this one, and the task's \
             user namespace is another"
        }
        (Errno::PERM, _) => {
            return Some(format!(
                "the caller needs CAP_SYS_ADMIN in {} and in the user namespace that owns the task's: \
                 run this as root, or attach to the task's user namespace too",
                user_namespace()
            ));
        }
        (Errno::INVAL, Contexts::USER) => "the caller is in the task's user namespace already",
        (Errno::INVAL, Contexts::PID) => "the task is not in a PID namespace below the caller's",
        (Errno::USERS, Contexts::TIME) => {
            "the caller shares its address space: unshare CLONE_VM in the same request"
        }
        _ => return None,
    };
    Some(words.to_owned())
}
