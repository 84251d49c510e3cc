// SPDX-License-Identifier: GPL-2.0-only

//! Conditions in which a request is made, including all that make unshare(2) fail.

use anyhow::Result;
use unshare_device::Contexts;

use crate::conditions::{
    as_user, as_user_for_now, in_chroot, in_user_namespace, nr_open_lowered, pending_pid, too_deep,
    unmapped, with_adjustments, with_thread,
};
use crate::everything::SHARED;
use crate::machine::Setting;
use crate::world::World;

/// What runs while a situation lasts.
pub(crate) type Body<'a> = &'a mut dyn FnMut(&World) -> Result<String>;

#[derive(Debug)]
pub(crate) struct Situation {
    pub(crate) name: &'static str,
    /// The contexts that the caller shares with another task.
    pub(crate) shared: Contexts,
    /// Runs something while the situation lasts.
    pub(crate) within: fn(&mut World, Body<'_>) -> Result<String>,
    /// The requests to try in it.
    pub(crate) requests: &'static [Contexts],
}

const VM: Contexts = Contexts::VM;
const SIGHAND: Contexts = Contexts::SIGHAND;
const THREADS: [Contexts; 5] = [VM, SIGHAND, Contexts::THREAD, Contexts::USER, Contexts::PID];
const EVERYTHING: &[Contexts] =
    &[
        Contexts::from_bits_retain(SHARED.bits() | Contexts::NAMESPACES.bits())
            .difference(Contexts::EMPTY_MNTNS),
    ];
const EACH: &[Contexts] = &[
    Contexts::FS,
    Contexts::FILES,
    Contexts::SYSVSEM,
    Contexts::MOUNT,
    Contexts::UTS,
    Contexts::IPC,
    Contexts::USER,
    Contexts::PID,
    Contexts::NET,
    Contexts::CGROUP,
    Contexts::TIME,
    Contexts::USER.union(Contexts::NET),
    Contexts::USER.union(Contexts::MOUNT),
];

/// A situation in which a sysctl has another value.
macro_rules! sysctl {
    ($name:literal, $sysctl:literal, $value:literal, $requests:expr) => {
        Situation {
            name: $name,
            shared: SHARED,
            within: |world, body| {
                let _changed = Setting::sysctl($sysctl, $value)?;
                body(world)
            },
            requests: $requests,
        }
    };
}

pub(crate) const SITUATIONS: &[Situation] = &[
    Situation {
        name: "a usual caller",
        shared: SHARED,
        within: |world, body| body(world),
        requests: &[],
    },
    Situation {
        name: "with nothing shared",
        shared: Contexts::empty(),
        within: |world, body| body(world),
        requests: EACH,
    },
    Situation {
        name: "with a shared address space",
        shared: VM,
        within: |world, body| body(world),
        requests: &THREADS,
    },
    Situation {
        name: "with shared address space and signal handlers",
        shared: VM.union(SIGHAND),
        within: |world, body| body(world),
        requests: &THREADS,
    },
    Situation {
        name: "with threads",
        shared: SHARED,
        within: with_thread,
        requests: &THREADS,
    },
    Situation {
        name: "uid 1000",
        shared: SHARED,
        within: as_user,
        requests: EACH,
    },
    Situation {
        name: "in a chroot",
        shared: SHARED,
        within: in_chroot,
        requests: EACH,
    },
    Situation {
        name: "in a user namespace",
        shared: SHARED,
        within: in_user_namespace,
        requests: EACH,
    },
    Situation {
        name: "in a user namespace without mapping",
        shared: SHARED,
        within: unmapped,
        requests: EACH,
    },
    Situation {
        name: "33 user namespaces deep",
        shared: SHARED,
        within: too_deep,
        requests: &[Contexts::USER],
    },
    Situation {
        name: "with a pending PID namespace",
        shared: SHARED,
        within: pending_pid,
        requests: &[Contexts::PID, Contexts::UTS],
    },
    Situation {
        name: "with semaphore adjustments",
        shared: Contexts::FS,
        within: with_adjustments,
        requests: &[Contexts::SYSVSEM, Contexts::IPC, Contexts::UTS],
    },
    Situation {
        name: "with a low fs.nr_open",
        shared: SHARED,
        within: nr_open_lowered,
        requests: &[Contexts::FILES, Contexts::FS],
    },
    Situation {
        name: "with unprivileged_userns_clone=0",
        shared: SHARED,
        within: |world, body| {
            let _forbidden = Setting::sysctl("kernel/unprivileged_userns_clone", "0")?;
            as_user_for_now(world, body)
        },
        requests: &[Contexts::USER, Contexts::USER.union(Contexts::NET)],
    },
    sysctl!(
        "with unprivileged_userns_clone=0, as root",
        "kernel/unprivileged_userns_clone",
        "0",
        &[Contexts::USER]
    ),
    sysctl!(
        "no user namespaces left",
        "user/max_user_namespaces",
        "0",
        EVERYTHING
    ),
    sysctl!(
        "no mnt namespaces left",
        "user/max_mnt_namespaces",
        "0",
        EVERYTHING
    ),
    sysctl!(
        "no uts namespaces left",
        "user/max_uts_namespaces",
        "0",
        EVERYTHING
    ),
    sysctl!(
        "no ipc namespaces left",
        "user/max_ipc_namespaces",
        "0",
        EVERYTHING
    ),
    sysctl!(
        "no pid namespaces left",
        "user/max_pid_namespaces",
        "0",
        EVERYTHING
    ),
    sysctl!(
        "no cgroup namespaces left",
        "user/max_cgroup_namespaces",
        "0",
        EVERYTHING
    ),
    sysctl!(
        "no net namespaces left",
        "user/max_net_namespaces",
        "0",
        EVERYTHING
    ),
    sysctl!(
        "no time namespaces left",
        "user/max_time_namespaces",
        "0",
        EVERYTHING
    ),
];

pub(crate) fn find(name: &str) -> &'static Situation {
    let found = SITUATIONS.iter().find(|situation| situation.name == name);
    found.unwrap_or_else(|| panic!("no situation {name:?}"))
}
