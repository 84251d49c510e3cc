// SPDX-License-Identifier: GPL-2.0-only

mod help;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};
use unshare_device::Contexts;

use crate::attach::Attach;

/// Run a command with its own copy of parts of its execution context, or with another task's.
///
/// Everything that the options name is replaced by one ioctl on /dev/unshare, as one transaction:
/// either the command gets all of it, or nothing has changed, the part that stood in the way is
/// named, and the command does not run.
///
/// Without a command, $SHELL is run, or /bin/sh.
#[derive(Debug, Parser)]
#[command(
    name = crate::PROGRAM,
    version,
    override_usage = "unshare-run [OPTIONS] [--] [COMMAND [ARGUMENT]...]\n       unshare-run --query",
    after_long_help = help::AFTER
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

    /// Take contexts from the process PID, in the same transaction
    ///
    /// KIND is all (the default), mount, uts, ipc, net, pid, user, cgroup, time: the namespaces, or
    /// fs: root and working directory. all stands for the namespaces that are not the caller's own
    /// already. An option above that names the same kind gives the command its own copy of what is
    /// PID's.
    #[arg(
        short = 't',
        long,
        value_name = "PID[:KIND[,KIND]...]",
        help_heading = "Another task's contexts"
    )]
    attach: Option<Attach>,

    /// Take PID's root directory: with --wd, the kind fs
    ///
    /// The two come together. Without them, the root directory is that of the mount namespace where
    /// the kind mount is attached, and the working directory too; else both stay.
    #[arg(long, requires_all = ["attach", "wd"], help_heading = "Another task's contexts")]
    root: bool,

    /// Take PID's working directory: with --root
    #[arg(long, requires_all = ["attach", "root"], help_heading = "Another task's contexts")]
    wd: bool,

    /// In PID's user namespace, keep user, group and groups
    ///
    /// Else the command is user 0, group 0 and in no other group there.
    #[arg(long, requires = "attach", help_heading = "Another task's contexts")]
    pub(crate) preserve_credentials: bool,

    /// With PID's PID namespace, do not fork: it is for the command's children
    #[arg(
        short = 'F',
        long,
        requires = "attach",
        conflicts_with = "fork",
        help_heading = "Another task's contexts"
    )]
    pub(crate) no_fork: bool,

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
    /// Attaching to a PID namespace implies it.
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
    /// What to take from another task, if anything.
    pub(crate) fn attach(&self) -> Option<Attach> {
        let mut attach = self.attach?;
        if self.root && self.wd {
            attach.named |= Contexts::FS;
        }
        Some(attach)
    }

    /// All contexts to unshare that the options name or imply.
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

#[cfg(test)]
mod tests;
