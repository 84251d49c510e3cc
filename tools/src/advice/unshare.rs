// SPDX-License-Identifier: GPL-2.0-only

use rustix::fs::stat;
use rustix::io::Errno;
use unshare_device::{Contexts, Error, Request};

use super::{sysctl, user_namespace};
use crate::target::namespace_name;

/// Sysctls that deny user namespaces to a caller without privilege, and the value that does.
const DENYING: [(&str, &str); 3] = [
    ("kernel.unprivileged_userns_clone", "0"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1"),
    ("user.max_user_namespaces", "0"),
];

/// For contexts that the caller leaves.
pub(super) fn advice(error: Error, request: &Request<'_>) -> Option<String> {
    let entered = request.unshared() | request.attached();
    let words = match (error.errno, error.context) {
        (Errno::PERM, Contexts::USER) => return Some(no_user_namespace()),
        (Errno::PERM | Errno::ACCESS | Errno::NOSYS, context) if context.is_empty() => {
            "a seccomp filter or a security module denies the ioctl"
        }
        (Errno::PERM, _) if entered.contains(Contexts::USER) => {
            "the new user namespace does not own what this context belongs to"
        }
        (Errno::PERM, _) => {
            return Some(format!(
                "the caller needs CAP_SYS_ADMIN in {}: run this as root, or add --user",
                user_namespace()
            ));
        }
        (Errno::NOSPC, context) => return exhausted(context),
        (Errno::MFILE, _) => "a descriptor is open whose number is above the fs.nr_open sysctl",
        (Errno::INVAL, Contexts::THREAD) => {
            "the process has several threads, and a thread cannot leave them"
        }
        (Errno::INVAL, Contexts::PID) => {
            "a new PID namespace already waits for this task's first child"
        }
        (Errno::BUSY, Contexts::VM) => {
            "a return probe or a device holds the task in its address space"
        }
        (Errno::NOMEM, _) => "the kernel is out of memory",
        (Errno::AGAIN, Contexts::USER) => "the user has too many processes (ulimit -u)",
        (Errno::INTR, _) => "a fatal signal came first",
        _ => return None,
    };
    Some(words.to_owned())
}

/// Which of the reasons to deny a user namespace holds here.
fn no_user_namespace() -> String {
    let denying = DENYING
        .into_iter()
        .find(|(name, value)| sysctl(name).as_deref() == Some(*value));
    if let Some((name, value)) = denying {
        return format!(
            "the sysctl {name} is {value} and denies user namespaces: run this as root, or have the \
             administrator change it"
        );
    }
    let roots = (stat("/"), stat("/proc/1/root/"));
    match roots {
        (Ok(own), Ok(first)) if (own.st_dev, own.st_ino) != (first.st_dev, first.st_ino) => {
            "the caller is in a chroot, from where the kernel makes no user namespace".to_owned()
        }
        _ => "the caller is in a chroot, its user or group has no mapping in its own user \
              namespace, or a security module denies user namespaces"
            .to_owned(),
    }
}

fn exhausted(context: Contexts) -> Option<String> {
    let name = format!("user.max_{}_namespaces", namespace_name(context)?);
    let value = sysctl(&name).map_or_else(String::new, |value| format!(", {value}"));
    let mut words = format!("the sysctl {name}{value}, is reached");
    if matches!(context, Contexts::USER | Contexts::PID) {
        words += ", or 32 of these namespaces are nested";
    }
    Some(words)
}
