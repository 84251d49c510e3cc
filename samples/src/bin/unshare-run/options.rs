// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};
use unshare_device::Contexts;

/// Run a command with its own copy of parts of its execution context.
///
/// Everything that the options name is replaced by one ioctl on /dev/unshare, as one transaction:
/// either the command gets all of it, or nothing has changed, the part that stood in the way is
/// named, and the command does not run.
///
/// Without a command, $SHELL is run, or /bin/sh.
#[derive(Debug, Parser)]
#[command(
    version,
    override_usage = "unshare-run [OPTIONS] [--] [COMMAND [ARGUMENT]...]\n       unshare-run --query",
    after_long_help = AFTER_HELP
)]
pub(crate) struct Options {
    /// Root directory, working directory and umask
    ///
    /// After exec these are the command's alone. --mount and --user imply it.
    #[arg(long, help_heading = "Contexts")]
    fs: bool,

    /// The table of open descriptors
    #[arg(long, help_heading = "Contexts")]
    files: bool,

    /// System V semaphore adjustments (semop with SEM_UNDO)
    ///
    /// Leaving them applies them, if nobody else shares them.
    #[arg(long, help_heading = "Contexts")]
    sysvsem: bool,

    /// Address space, which no command shares: to ask with, see --help
    ///
    /// A command never shares one: exec gives it a new address space, and unshare-run has had its
    /// own since its own exec. So there is nothing to replace, and it makes no difference to the
    /// command. It is here to ask with: --vm --dry-run fails where the module cannot do it, and
    /// says what would be replaced, which is none. For programs that do share memory see the
    /// samples late-fork and request-server. Implies --sighand.
    #[arg(long, help_heading = "Contexts")]
    vm: bool,

    /// Signal handlers, which no command shares: as --vm
    ///
    /// exec gives a task handlers of its own, and sets those that are not ignored to the default.
    #[arg(long, help_heading = "Contexts")]
    sighand: bool,

    /// Mount namespace: mounts stay the command's own
    #[arg(short, long, help_heading = "Contexts")]
    mount: bool,

    /// Mount namespace with the root mount alone; implies --mount
    ///
    /// Where the root mount is an empty one, as under an initramfs since Linux 7.0, there is no
    /// file at all. So the command is opened before; it must be a static program.
    #[arg(
        long,
        conflicts_with_all = ["close_from", "mount_proc", "map_root_user"],
        help_heading = "Contexts"
    )]
    pub(crate) empty_mount: bool,

    /// UTS namespace: host name and domain name
    #[arg(short, long, help_heading = "Contexts")]
    uts: bool,

    /// IPC namespace: System V IPC and POSIX message queues
    #[arg(short, long, help_heading = "Contexts")]
    ipc: bool,

    /// Network namespace: devices, addresses, routes, sockets
    #[arg(short, long, help_heading = "Contexts")]
    net: bool,

    /// PID namespace, for the command's children; see --fork
    ///
    /// The caller keeps its process number: the namespace is for children. With --fork the command
    /// is the first of them, process 1.
    #[arg(short, long, help_heading = "Contexts")]
    pid: bool,

    /// User namespace: user and group ids, capabilities
    ///
    /// As its owner, a user without privilege may have the other namespaces too.
    #[arg(short = 'U', long, help_heading = "Contexts")]
    user: bool,

    /// Cgroup namespace: the current cgroup looks like the root
    #[arg(short = 'C', long, help_heading = "Contexts")]
    cgroup: bool,

    /// Time namespace, for the command's children
    #[arg(short = 'T', long, help_heading = "Contexts")]
    time: bool,

    /// Close all descriptors from N upwards; implies --files
    ///
    /// They are left out of the command's own table, in the same transaction. Who shares the old
    /// table keeps them.
    #[arg(long, value_name = "N", help_heading = "How")]
    pub(crate) close_from: Option<u32>,

    /// Fork, and run the command as the child
    ///
    /// Waits for the command, passes on SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2, and
    /// exits as the command did. Process 1 of a PID namespace gets only those that it handles.
    #[arg(short, long, help_heading = "How")]
    pub(crate) fork: bool,

    /// Be root in the new user namespace; implies --user
    ///
    /// Maps the caller's effective user and group to 0, and denies setgroups(2).
    #[arg(short = 'r', long, help_heading = "How")]
    pub(crate) map_root_user: bool,

    /// Mount a new proc on DIR [default: /proc]; implies --mount
    ///
    /// It shows the new PID namespace only when the command is in it: with --fork.
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "/proc",
        help_heading = "How"
    )]
    pub(crate) mount_proc: Option<PathBuf>,

    /// What becomes of mounts that the namespace has in common with the old one
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "KIND",
        help_heading = "How"
    )]
    pub(crate) propagation: Propagation,

    /// Say what would be replaced, change nothing, run nothing
    #[arg(long, help_heading = "Instead of running a command")]
    pub(crate) dry_run: bool,

    /// Show what this kernel can unshare, and what the caller shares
    #[arg(long, exclusive = true, help_heading = "Instead of running a command")]
    pub(crate) query: bool,

    /// What to run, with its arguments
    #[arg(trailing_var_arg = true, action = ArgAction::Append)]
    pub(crate) command: Vec<OsString>,
}

/// How mounts spread between the old namespace and the new one.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Propagation {
    /// Neither way
    #[default]
    Private,
    /// Both ways
    Shared,
    /// From the old one to the new one
    Slave,
    /// As they were
    Unchanged,
}

impl Options {
    /// All contexts that the options name or imply.
    pub(crate) fn contexts(&self) -> Contexts {
        let mount = self.mount || self.empty_mount || self.mount_proc.is_some();
        let named = [
            (self.fs, Contexts::FS),
            (self.files || self.close_from.is_some(), Contexts::FILES),
            (self.sysvsem, Contexts::SYSVSEM),
            (self.vm, Contexts::VM),
            (self.sighand, Contexts::SIGHAND),
            (mount, Contexts::MOUNT),
            (self.empty_mount, Contexts::EMPTY_MNTNS),
            (self.uts, Contexts::UTS),
            (self.ipc, Contexts::IPC),
            (self.net, Contexts::NET),
            (self.pid, Contexts::PID),
            (self.user || self.map_root_user, Contexts::USER),
            (self.cgroup, Contexts::CGROUP),
            (self.time, Contexts::TIME),
        ];
        named
            .into_iter()
            .filter_map(|(named, context)| named.then_some(context))
            .collect()
    }
}

const AFTER_HELP: &str = "\
Exit status:
  The command's own. 128 and the signal's number if a signal ended it (with --fork). 1 if the
  request was refused, 2 for a wrong option, 126 if the command cannot run, 127 if it is not there.

Examples:
  A root shell without privilege, with its own mounts and process list:
    unshare-run -r -p -f --mount-proc

  A daemon without network and without what the caller left open:
    unshare-run --net --close-from 3 -- mydaemon

  What would it take?
    unshare-run --dry-run --mount --net --time

Differences from unshare(1):
  One transaction, and the part that failed is named. --fs, --files, --sysvsem, --vm, --sighand,
  --empty-mount, --close-from, --dry-run and --query are new. Namespaces cannot be kept by a file, and of the id
  maps there is --map-root-user alone.

See also:
  unshare(1), unshare(2), namespaces(7), close_range(2)";

#[cfg(test)]
mod tests;
