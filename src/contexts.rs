// SPDX-License-Identifier: GPL-2.0

//! The parts of a task's execution context, and the bits that name them.
//!
//! Each context that can be replaced has a file in `contexts/`. All have one form: `prepare` returns an owned
//! value if there is something to replace, and `install` or `commit` gives that value to the task.

use kernel::{
    bindings::*,
    fmt,
    impl_flags, //
};

use crate::sys::bindings::{
    UNSHARE_ATTACH,
    UNSHARE_HOLDING,
    UNSHARE_NSPROXY, //
};

pub(crate) mod credentials;
pub(crate) mod files;
pub(crate) mod fs;
pub(crate) mod namespaces;
pub(crate) mod sighand;
pub(crate) mod sysvsem;
pub(crate) mod vm;

impl_flags!(
    /// A set of contexts.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Contexts(u64);

    /// One context. Its value is the bit of `unshare(2)`, `clone(2)` or `clone3(2)`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Context {
        /// The address space.
        Vm = CLONE_VM as u64,
        /// Root, working directory and umask.
        Fs = CLONE_FS as u64,
        /// The descriptor table.
        Files = CLONE_FILES as u64,
        /// The table of signal handlers.
        Sighand = CLONE_SIGHAND as u64,
        /// The thread group.
        Thread = CLONE_THREAD as u64,
        /// The list of System V semaphore adjustments.
        Sysvsem = CLONE_SYSVSEM as u64,
        /// The mount namespace.
        Mount = CLONE_NEWNS as u64,
        /// The UTS namespace.
        Uts = CLONE_NEWUTS as u64,
        /// The IPC namespace.
        Ipc = CLONE_NEWIPC as u64,
        /// The user namespace, and with it the credentials.
        User = CLONE_NEWUSER as u64,
        /// The PID namespace of future children.
        Pid = CLONE_NEWPID as u64,
        /// The network namespace.
        Net = CLONE_NEWNET as u64,
        /// The cgroup namespace.
        Cgroup = CLONE_NEWCGROUP as u64,
        /// The time namespace of future children.
        Time = CLONE_NEWTIME as u64,
        /// Not a context of its own: makes the new mount namespace an empty one.
        EmptyMount = CLONE_EMPTY_MNTNS,
    }
);

impl Contexts {
    /// The namespaces that an nsproxy carries.
    pub(crate) const NSPROXY: Self = Self(UNSHARE_NSPROXY as u64);

    /// All namespaces.
    pub(crate) const NAMESPACES: Self = Self(UNSHARE_NSPROXY as u64 | CLONE_NEWUSER as u64);

    /// The contexts that a descriptor can hold: none that belongs to a whole process or refers to descriptors.
    pub(crate) const HOLDABLE: Self =
        Self((UNSHARE_NSPROXY & !CLONE_NEWTIME) as u64 | CLONE_EMPTY_MNTNS | CLONE_FS as u64);

    /// Not a context: stands for attaching in the set of features that a kernel lacks.
    pub(crate) const ATTACHING: Self = Self(UNSHARE_ATTACH as u64);

    /// Not a context: stands for holding in the set of features that a kernel lacks.
    pub(crate) const HOLDING: Self = Self(UNSHARE_HOLDING);

    /// Returns the set of these bits, including bits that are no context.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the bits of the set.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Returns whether the set is empty.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the contexts that are not in `others`.
    pub(crate) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Returns the set of only the context with the lowest bit.
    pub(crate) fn lowest(self) -> Self {
        Self(self.0 & self.0.wrapping_neg())
    }
}

impl fmt::Display for Contexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Context::Vm, "CLONE_VM"),
            (Context::Fs, "CLONE_FS"),
            (Context::Files, "CLONE_FILES"),
            (Context::Sighand, "CLONE_SIGHAND"),
            (Context::Thread, "CLONE_THREAD"),
            (Context::Sysvsem, "CLONE_SYSVSEM"),
            (Context::Mount, "CLONE_NEWNS"),
            (Context::Uts, "CLONE_NEWUTS"),
            (Context::Ipc, "CLONE_NEWIPC"),
            (Context::User, "CLONE_NEWUSER"),
            (Context::Pid, "CLONE_NEWPID"),
            (Context::Net, "CLONE_NEWNET"),
            (Context::Cgroup, "CLONE_NEWCGROUP"),
            (Context::Time, "CLONE_NEWTIME"),
        ];
        let mut separator = "";
        for (_, name) in names
            .into_iter()
            .filter(|(context, _)| self.contains(*context))
        {
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
        for (option, name) in [(Self::ATTACHING, "attaching"), (Self::HOLDING, "holding")] {
            if self.contains_any(option) {
                write!(f, "{separator}{name}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
