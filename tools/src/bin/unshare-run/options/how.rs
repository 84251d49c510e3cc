// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rustix::process::Signal;

use crate::signals::parse_signal;

#[derive(Args, Debug)]
#[command(next_help_heading = "How")]
pub(crate) struct HowOptions {
    /// Close all descriptors from N upwards; implies --files
    ///
    /// The command's own table has none of them, in the same transaction. A task that shares the
    /// old table keeps them.
    #[arg(long, value_name = "N")]
    pub(crate) close_from: Option<u32>,

    /// Fork, and run the command as the child
    ///
    /// Waits for the command, passes on SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 and
    /// SIGCONT, stops when the command stops, and exits as the command did. Process 1 of a PID
    /// namespace gets only the signals that it handles. The attach of a PID namespace implies this
    /// option.
    #[arg(short, long)]
    fork: bool,

    /// Pass signals on to the command: --fork always does; implies --fork
    #[arg(long)]
    forward_signals: bool,

    /// Kill the command when unshare-run dies, by SIGNAL [default: KILL]; implies --fork
    #[arg(
        long,
        value_name = "SIGNAL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "KILL",
        value_parser = parse_signal,
        conflicts_with = "no_fork"
    )]
    pub(crate) kill_child: Option<Signal>,

    /// Give the command a terminal and a session of its own; implies --fork
    ///
    /// By default, the command has the caller's terminal. Where the sysctl dev.tty.legacy_tiocsti is
    /// 1, or the command has CAP_SYS_ADMIN, it can push input into that one, which the caller's shell
    /// reads afterwards.
    #[arg(long, conflicts_with = "no_fork")]
    pub(crate) pty: bool,

    /// Mount a new proc on DIR [default: /proc]; implies --mount
    ///
    /// It shows the new PID namespace only when the command is in it: with --fork.
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "/proc"
    )]
    pub(crate) mount_proc: Option<PathBuf>,

    /// Mount a new binfmt_misc on DIR [default: /proc/sys/fs/binfmt_misc]; implies --user, --mount
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "/proc/sys/fs/binfmt_misc"
    )]
    mount_binfmt: Option<PathBuf>,

    /// Register an interpreter: :NAME:TYPE:OFFSET:MAGIC:MASK:PROGRAM:FLAGS; implies --mount-binfmt
    #[arg(short, long, value_name = "DEFINITION")]
    pub(crate) load_interp: Option<OsString>,

    /// How mounts spread between the new mount namespace and the old one
    #[arg(long, value_enum, default_value_t, value_name = "KIND")]
    pub(crate) propagation: Propagation,

    /// Offset of the monotonic clock; implies --time
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) monotonic: Option<i64>,

    /// Offset of the boot-time clock; implies --time
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) boottime: Option<i64>,
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

impl HowOptions {
    pub(super) fn mounts(&self) -> bool {
        self.mount_proc.is_some() || self.mounts_binfmt()
    }

    pub(super) fn mounts_binfmt(&self) -> bool {
        self.mount_binfmt.is_some() || self.load_interp.is_some()
    }

    pub(super) fn sets_clock(&self) -> bool {
        self.monotonic.is_some() || self.boottime.is_some()
    }

    pub(super) fn forks(&self) -> bool {
        self.fork || self.forward_signals || self.kill_child.is_some() || self.pty
    }

    /// Where to mount binfmt_misc, if anywhere.
    pub(crate) fn binfmt(&self) -> Option<PathBuf> {
        let default = || {
            self.load_interp
                .as_ref()
                .map(|_| "/proc/sys/fs/binfmt_misc".into())
        };
        self.mount_binfmt.clone().or_else(default)
    }
}
