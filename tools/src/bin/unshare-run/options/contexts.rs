// SPDX-License-Identifier: GPL-2.0-only

use std::path::PathBuf;

use clap::Args;
use unshare_device::Contexts;

/// Whether there is an option, and a file with it.
type Kept = Option<Option<PathBuf>>;

#[derive(Args, Debug)]
#[command(next_help_heading = "Contexts of the command's own")]
pub(crate) struct ContextOptions {
    /// Root directory, working directory and umask
    ///
    /// After exec these are the command's alone. --mount and --user imply it.
    #[arg(long)]
    fs: bool,

    /// The table of open descriptors
    #[arg(long)]
    files: bool,

    /// System V semaphore adjustments (semop with SEM_UNDO)
    ///
    /// The kernel applies the adjustments when the last task that shares them leaves them.
    #[arg(long)]
    sysvsem: bool,

    /// Address space, which no command shares: for --dry-run
    ///
    /// A command never shares its address space: exec gives it a new one. --vm --dry-run fails
    /// where the module cannot replace an address space. For programs that do share memory, see
    /// the samples late-fork and request-server. Implies --sighand.
    #[arg(long)]
    vm: bool,

    /// Signal handlers, which no command shares: for --dry-run
    ///
    /// exec gives a task handlers of its own, and resets each signal that is not ignored.
    #[arg(long)]
    sighand: bool,

    /// Mount namespace; kept by FILE
    ///
    /// FILE is on a mount whose propagation is private.
    #[arg(short, long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    mount: Option<Option<PathBuf>>,

    /// Mount namespace with the root mount alone; implies --mount
    ///
    /// Where the root mount is an empty one, as under an initramfs since Linux 7.0, there are no
    /// files at all. So unshare-run opens the command before; it must be a static program.
    #[arg(
        long,
        conflicts_with_all = ["close_from", "mount_proc", "mount_binfmt", "load_interp", "root", "map_root_user"]
    )]
    pub(crate) empty_mount: bool,

    /// UTS namespace: host name and domain name; kept by FILE
    #[arg(short, long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    uts: Option<Option<PathBuf>>,

    /// IPC namespace: System V IPC and POSIX message queues; kept by FILE
    #[arg(short, long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    ipc: Option<Option<PathBuf>>,

    /// Network namespace: devices, addresses, routes, sockets; kept by FILE
    #[arg(short, long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    net: Option<Option<PathBuf>>,

    /// PID namespace, for the command's children; see --fork; kept by FILE
    ///
    /// The caller keeps its process number: the namespace is for children. With --fork the command
    /// is the first of them, process 1. With FILE, --fork is required.
    #[arg(short, long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pid: Option<Option<PathBuf>>,

    /// User namespace: user and group ids, capabilities; kept by FILE
    ///
    /// As its owner, a user without privilege may have the other namespaces too.
    #[arg(short = 'U', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    user: Option<Option<PathBuf>>,

    /// Cgroup namespace: the current cgroup looks like the root; kept by FILE
    #[arg(short = 'C', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    cgroup: Option<Option<PathBuf>>,

    /// Time namespace, which the command enters by its exec; kept by FILE
    #[arg(short = 'T', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    time: Option<Option<PathBuf>>,
}

impl ContextOptions {
    /// The contexts that the options name.
    pub(super) fn named(&self) -> Contexts {
        let others = [
            (self.fs, Contexts::FS),
            (self.files, Contexts::FILES),
            (self.sysvsem, Contexts::SYSVSEM),
            (self.vm, Contexts::VM),
            (self.sighand, Contexts::SIGHAND),
            (self.empty_mount, Contexts::EMPTY_MNTNS | Contexts::MOUNT),
        ];
        let namespaces = self.namespaces();
        let namespaces = namespaces.map(|(kept, context, _)| (kept.is_some(), context));
        others
            .into_iter()
            .chain(namespaces)
            .filter_map(|(named, context)| named.then_some(context))
            .collect()
    }

    /// The files that are to keep namespaces, each with the link of the namespace under /proc/PID.
    pub(crate) fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let namespaces = self.namespaces().into_iter();
        namespaces
            .filter_map(|(kept, _, link)| Some((link, kept.clone()??)))
            .collect()
    }

    fn namespaces(&self) -> [(&Kept, Contexts, &'static str); 8] {
        [
            // The user namespace comes first: a task in it has the capabilities to enter the other namespaces.
            (&self.user, Contexts::USER, "ns/user"),
            (&self.mount, Contexts::MOUNT, "ns/mnt"),
            (&self.uts, Contexts::UTS, "ns/uts"),
            (&self.ipc, Contexts::IPC, "ns/ipc"),
            (&self.net, Contexts::NET, "ns/net"),
            (&self.pid, Contexts::PID, "ns/pid_for_children"),
            (&self.cgroup, Contexts::CGROUP, "ns/cgroup"),
            (&self.time, Contexts::TIME, "ns/time_for_children"),
        ]
    }
}
