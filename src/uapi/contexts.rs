// SPDX-License-Identifier: GPL-2.0-only

use std::fmt;

use bitflags::bitflags;

use crate::raw;

bitflags! {
    /// Parts of a task's execution context: the `CLONE_*` bits of clone(2) and unshare(2).
    ///
    /// Bits that have no name here are kept, because a newer kernel may know them. `Display` uses the kernel's
    /// names: `CLONE_FS | CLONE_NEWNET`.
    ///
    /// ```
    /// use unshare_device::Contexts;
    ///
    /// let contexts = Contexts::FS | Contexts::NET;
    /// assert!(contexts.contains(Contexts::NET));
    /// assert_eq!(contexts.to_string(), "CLONE_FS | CLONE_NEWNET");
    /// ```
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct Contexts: u64 {
        /// Root directory, working directory and umask (`unshare_fs`).
        const FS = raw::CLONE_FS;
        /// The table of open descriptors (`unshare_fd`).
        const FILES = raw::CLONE_FILES;
        /// System V semaphore adjustments. If no other task shares them, leaving them applies them, as exit
        /// does (`exit_sem`).
        const SYSVSEM = raw::CLONE_SYSVSEM;
        /// The address space. The caller gets the copy that a fork would make (`dup_mm`).
        /// Implies [`SIGHAND`](Self::SIGHAND). `EINVAL` if the caller has other threads.
        const VM = raw::CLONE_VM;
        /// Signal handlers. `EINVAL` if the caller has other threads.
        const SIGHAND = raw::CLONE_SIGHAND;
        /// The thread group, which is never replaced: `EINVAL` if the caller has other threads. Implies
        /// [`VM`](Self::VM).
        const THREAD = raw::CLONE_THREAD;
        /// The mount namespace, `CLONE_NEWNS` (`copy_mnt_ns`). Implies [`FS`](Self::FS).
        const MOUNT = raw::CLONE_NEWNS;
        /// A mount namespace with the root mount only. Implies [`MOUNT`](Self::MOUNT).
        const EMPTY_MNTNS = raw::CLONE_EMPTY_MNTNS;
        /// Host name and NIS domain name (`copy_utsname`).
        const UTS = raw::CLONE_NEWUTS;
        /// System V IPC and POSIX message queues (`copy_ipcs`). The caller also leaves its semaphore
        /// adjustments, as with [`SYSVSEM`](Self::SYSVSEM).
        const IPC = raw::CLONE_NEWIPC;
        /// The user namespace and the credentials (`unshare_userns`). Implies [`FS`](Self::FS).
        /// `EINVAL` if the caller has other threads.
        const USER = raw::CLONE_NEWUSER;
        /// The PID namespace of future children; the caller keeps its PID (`copy_pid_ns`).
        const PID = raw::CLONE_NEWPID;
        /// Network devices, addresses, routes and sockets (`copy_net_ns`).
        const NET = raw::CLONE_NEWNET;
        /// The root of the cgroup hierarchy as the caller sees it (`copy_cgroup_ns`).
        const CGROUP = raw::CLONE_NEWCGROUP;
        /// The offsets of the monotonic and boot-time clocks of future children (`copy_time_ns`).
        const TIME = raw::CLONE_NEWTIME;

        const _ = !0;
    }
}

impl Contexts {
    /// The namespaces. Leaving or entering one needs privilege, so `commit_local` denies all of them.
    ///
    /// ```
    /// use unshare_device::Contexts;
    ///
    /// assert!(Contexts::NAMESPACES.contains(Contexts::MOUNT | Contexts::USER));
    /// assert!(!Contexts::NAMESPACES.contains(Contexts::FILES));
    /// ```
    pub const NAMESPACES: Self = Self::MOUNT
        .union(Self::EMPTY_MNTNS)
        .union(Self::UTS)
        .union(Self::IPC)
        .union(Self::USER)
        .union(Self::PID)
        .union(Self::NET)
        .union(Self::CGROUP)
        .union(Self::TIME);

    /// The kernel's name of a single bit, such as `CLONE_NEWNS`. `None` for several bits, and for a bit
    /// that has no name here.
    ///
    /// ```
    /// use unshare_device::Contexts;
    ///
    /// assert_eq!(Contexts::MOUNT.kernel_name(), Some("CLONE_NEWNS"));
    /// assert_eq!((Contexts::MOUNT | Contexts::NET).kernel_name(), None);
    /// ```
    pub fn kernel_name(self) -> Option<&'static str> {
        Some(match self {
            Self::FS => "CLONE_FS",
            Self::FILES => "CLONE_FILES",
            Self::SYSVSEM => "CLONE_SYSVSEM",
            Self::VM => "CLONE_VM",
            Self::SIGHAND => "CLONE_SIGHAND",
            Self::THREAD => "CLONE_THREAD",
            Self::MOUNT => "CLONE_NEWNS",
            Self::EMPTY_MNTNS => "CLONE_EMPTY_MNTNS",
            Self::UTS => "CLONE_NEWUTS",
            Self::IPC => "CLONE_NEWIPC",
            Self::USER => "CLONE_NEWUSER",
            Self::PID => "CLONE_NEWPID",
            Self::NET => "CLONE_NEWNET",
            Self::CGROUP => "CLONE_NEWCGROUP",
            Self::TIME => "CLONE_NEWTIME",
            _ => return None,
        })
    }

    /// Each context as a set of its own, in the order of declaration. Bits that have no name here follow, also
    /// one by one.
    ///
    /// ```
    /// use unshare_device::Contexts;
    ///
    /// let each: Vec<_> = (Contexts::NET | Contexts::FS).each().collect();
    /// assert_eq!(each, [Contexts::FS, Contexts::NET]);
    /// ```
    pub fn each(self) -> impl Iterator<Item = Self> {
        let named = self.iter_names().map(|(_, context)| context);
        let named_bits = self
            .iter_names()
            .fold(Self::empty(), |all, (_, context)| all | context);
        let rest = self.difference(named_bits).bits();
        let unnamed = (0..u64::BITS)
            .map(|bit| 1 << bit)
            .filter(move |bit| rest & bit != 0)
            .map(Self::from_bits_retain);
        named.chain(unnamed)
    }
}

impl fmt::Display for Contexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self
            .each()
            .map(|context| match context.kernel_name() {
                Some(name) => name.to_owned(),
                None => format!("{:#x}", context.bits()),
            })
            .collect();
        if words.is_empty() {
            return f.pad("none");
        }
        f.pad(&words.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_by_kernel_name() {
        let shown = (Contexts::NET | Contexts::FS | Contexts::MOUNT).to_string();
        assert_eq!(shown, "CLONE_FS | CLONE_NEWNS | CLONE_NEWNET");
        assert_eq!(Contexts::empty().to_string(), "none");
    }

    #[test]
    fn unknown_bits_are_kept_and_shown() {
        let contexts = Contexts::from_bits_retain(raw::CLONE_FS | raw::CLONE_VFORK | 1 << 63);
        assert_eq!(contexts.bits(), 0x8000_0000_0000_4200);
        assert_eq!(
            contexts.to_string(),
            "CLONE_FS | 0x4000 | 0x8000000000000000"
        );
    }

    #[test]
    fn every_named_bit_has_its_kernel_name() {
        for (name, context) in Contexts::all().iter_names() {
            let kernel = context.kernel_name().unwrap_or("");
            assert!(kernel.starts_with("CLONE_"), "{name}: {kernel:?}");
        }
    }
}
