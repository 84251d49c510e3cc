// SPDX-License-Identifier: GPL-2.0-only

use anyhow::{Error, anyhow};
use rustix::io::Errno;
use unshare_device::{Contexts, Device, raw};

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
                "is the module loaded? (insmod unshare.ko, as root)"
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
pub fn explain(error: unshare_device::Error, asked: Contexts, device: &Device) -> Error {
    match advice(error, asked, device) {
        Some(advice) => anyhow!("{error}\nnothing has changed: {advice}"),
        None => anyhow!("{error}\nnothing has changed"),
    }
}

fn advice(error: unshare_device::Error, asked: Contexts, device: &Device) -> Option<String> {
    let words = match (error.errno, error.context) {
        (Errno::PERM, Contexts::USER) => {
            "user namespaces are denied here: by the kernel.unprivileged_userns_clone sysctl, by a \
             security module, or because the caller is in a chroot or its user id has no mapping"
        }
        (Errno::PERM, _) if asked.contains(Contexts::USER) => {
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
        (Errno::INVAL, _) => return missing(asked, device),
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

fn missing(asked: Contexts, device: &Device) -> Option<String> {
    let known = device.query().ok()?.contexts;
    let missing = asked.difference(known);
    (!missing.is_empty()).then(|| format!("this kernel cannot unshare {missing}"))
}
