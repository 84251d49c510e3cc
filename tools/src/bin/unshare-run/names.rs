// SPDX-License-Identifier: GPL-2.0-only

use unshare_device::Contexts;

/// What can be attached to.
pub(crate) const ATTACHABLE: Contexts = Contexts::NAMESPACES
    .difference(Contexts::EMPTY_MNTNS)
    .union(Contexts::FS);

/// What the option for a context is called, and the kind of --attach.
pub(crate) fn name(context: Contexts) -> Option<&'static str> {
    Some(match context {
        Contexts::FS => "fs",
        Contexts::FILES => "files",
        Contexts::SYSVSEM => "sysvsem",
        Contexts::VM => "vm",
        Contexts::SIGHAND => "sighand",
        Contexts::MOUNT => "mount",
        Contexts::EMPTY_MNTNS => "empty-mount",
        Contexts::UTS => "uts",
        Contexts::IPC => "ipc",
        Contexts::USER => "user",
        Contexts::PID => "pid",
        Contexts::NET => "net",
        Contexts::CGROUP => "cgroup",
        Contexts::TIME => "time",
        _ => return None,
    })
}
