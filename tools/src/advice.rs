// SPDX-License-Identifier: GPL-2.0-only

use anyhow::{Error, anyhow};
use rustix::io::Errno;
use unshare_device::{Contexts, Device, Request, raw};

/// Opens `/dev/unshare`.
///
/// # Errors
///
/// Says what to do about it.
pub fn open_device() -> Result<Device, Error> {
    Device::open().map_err(|error| {
        let path = raw::UNSHARE_DEVICE.to_string_lossy();
        let advice = match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => {
                "is the module loaded? (modprobe unshare, as root)"
            }
            Some(Errno::ACCESS | Errno::PERM) => {
                "the node is root's, mode 0600: be root, or have the administrator open it to you"
            }
            _ => return anyhow!("{path}: {error}"),
        };
        anyhow!("{path}: {error}\n{advice}")
    })
}

/// Why `request` failed, in words: the context, the reason, and for the common ones what to do.
pub fn explain(error: unshare_device::Error, request: &Request<'_>, device: &Device) -> Error {
    let advice = missing(error, request, device)
        .or_else(|| attach_advice(error, request))
        .or_else(|| advice(error, request));
    match advice {
        Some(advice) => anyhow!("{error}\nnothing has changed: {advice}"),
        None => anyhow!("{error}\nnothing has changed"),
    }
}

/// What was asked for that this kernel does not have.
fn missing(error: unshare_device::Error, request: &Request<'_>, device: &Device) -> Option<String> {
    if error.errno != Errno::INVAL {
        return None;
    }
    let known = device.query().ok()?;
    [
        ("attach", request.attached() - known.attachable),
        ("unshare", request.unshared() - known.contexts),
    ]
    .into_iter()
    .find(|(_, missing)| !missing.is_empty())
    .map(|(verb, missing)| format!("this kernel cannot {verb} {missing}"))
}

/// For what is to be attached, which comes before the rest.
fn attach_advice(error: unshare_device::Error, request: &Request<'_>) -> Option<String> {
    let (attached, context) = (request.attached(), error.context);
    if attached.is_empty() || !attached.contains(context) {
        return None;
    }
    let words = match (error.errno, context) {
        (Errno::SRCH, _) => "the task to attach to has ended",
        (Errno::PERM, context) if context.is_empty() => {
            "the task to attach to may not be looked at: that takes what tracing it takes, ptrace(2)"
        }
        (Errno::ACCESS, Contexts::FS) => {
            "the task's directories may not be looked at, or not be entered"
        }
        (Errno::PERM, Contexts::FS) => {
            "it takes CAP_SYS_CHROOT: be root, or attach to the task's user namespace too"
        }
        (Errno::PERM, Contexts::USER) => {
            "it takes CAP_SYS_ADMIN in the task's user namespace: be root, or who made it"
        }
        (Errno::PERM, _) if attached.contains(Contexts::USER) => {
            "the task's user namespace does not own this one, or the caller is no administrator of it"
        }
        (Errno::PERM, _) => {
            "it takes CAP_SYS_ADMIN, here and where the namespace belongs to: be root, or attach to \
             the task's user namespace too"
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

fn advice(error: unshare_device::Error, request: &Request<'_>) -> Option<String> {
    let entered = request.unshared() | request.attached();
    let words = match (error.errno, error.context) {
        (Errno::PERM, Contexts::USER) => {
            "user namespaces are denied here: by the kernel.unprivileged_userns_clone sysctl, by a \
             security module, or because the caller is in a chroot or its user id has no mapping"
        }
        (Errno::PERM, _) if entered.contains(Contexts::USER) => {
            "the new user namespace does not own what this context belongs to"
        }
        (Errno::PERM, _) => "it takes CAP_SYS_ADMIN: be root, or ask for a user namespace too",
        (Errno::NOSPC, context) => return limit(context),
        (Errno::MFILE, _) => "a descriptor is open whose number is above the fs.nr_open sysctl",
        (Errno::INVAL, Contexts::THREAD) => {
            "the process has several threads, and a thread cannot leave them"
        }
        (Errno::INVAL, Contexts::PID) => {
            "a new PID namespace already waits for this task's first child"
        }
        (Errno::BUSY, Contexts::VM) => {
            "the task is bound to the address space that it has: by a return probe, or by a device"
        }
        (Errno::NOMEM, _) => "the kernel is out of memory",
        (Errno::AGAIN, Contexts::USER) => "the user has too many processes (ulimit -u)",
        (Errno::INTR, _) => "a fatal signal came first",
        _ => return None,
    };
    Some(words.to_owned())
}

fn limit(context: Contexts) -> Option<String> {
    let kind = match context {
        Contexts::MOUNT | Contexts::EMPTY_MNTNS => "mnt",
        Contexts::UTS => "uts",
        Contexts::IPC => "ipc",
        Contexts::USER => "user",
        Contexts::PID => "pid",
        Contexts::NET => "net",
        Contexts::CGROUP => "cgroup",
        Contexts::TIME => "time",
        _ => return None,
    };
    let mut words = format!("the limit user.max_{kind}_namespaces is reached");
    if matches!(context, Contexts::USER | Contexts::PID) {
        words += ", or 32 of them are nested";
    }
    Some(words)
}
