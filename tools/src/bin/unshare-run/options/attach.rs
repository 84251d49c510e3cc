// SPDX-License-Identifier: GPL-2.0-only

use std::path::PathBuf;

use clap::Args;
use unshare_device::Contexts;

use crate::attach::Attach;

#[derive(Args, Debug)]
#[command(next_help_heading = "Another task's contexts")]
pub(crate) struct AttachOptions {
    /// Take contexts from the process PID, in the same transaction
    ///
    /// KIND is all (the default), mount, uts, ipc, net, pid, user, cgroup, time: the namespaces, or
    /// fs: root and working directory. all means the namespaces that the caller is not in already.
    /// An option above that names the same kind gives the command its own copy of PID's.
    #[arg(
        short = 't',
        long,
        visible_alias = "target",
        value_name = "PID[:KIND[,KIND]...]"
    )]
    attach: Option<Attach>,

    /// With --attach: all namespaces that the caller is not in already
    #[arg(short, long, requires = "attach")]
    all: bool,

    /// Root directory DIR, or with --attach PID's
    ///
    /// The working directory is the new root, unless --wd or --wdns says another one. With --attach,
    /// DIR is looked up before the request, and without it in the new mount namespace.
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub(crate) root: Option<Option<PathBuf>>,

    /// As --root=DIR
    #[arg(short = 'R', value_name = "DIR", conflicts_with = "root")]
    root_directory: Option<PathBuf>,

    /// Working directory DIR, or with --attach PID's
    ///
    /// With --attach, DIR is looked up before the request, and without it in the new root.
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub(crate) wd: Option<Option<PathBuf>>,

    /// As --wd=DIR
    #[arg(short = 'w', value_name = "DIR", conflicts_with = "wd")]
    working_directory: Option<PathBuf>,

    /// Working directory DIR, looked up in the new root
    #[arg(short = 'W', long, value_name = "DIR", conflicts_with_all = ["wd", "working_directory"])]
    pub(crate) wdns: Option<PathBuf>,

    /// In PID's user namespace, keep user, group and groups
    ///
    /// Otherwise the command is user 0, group 0 and in no other group there.
    #[arg(long, requires = "attach", conflicts_with_all = ["setuid", "setgid"])]
    pub(crate) preserve_credentials: bool,

    /// Have the environment of PID
    #[arg(short, long, requires = "attach")]
    pub(crate) env: bool,

    /// Join the cgroup of PID, in cgroup v2
    #[arg(long, requires = "attach")]
    pub(crate) join_cgroup: bool,

    /// With PID's PID namespace, do not fork: it is for the command's children
    #[arg(short = 'F', long, requires = "attach", conflicts_with = "fork")]
    pub(crate) no_fork: bool,
}

impl AttachOptions {
    /// What to take from another task, if anything.
    pub(crate) fn attach(&self) -> Option<Attach> {
        let mut attach = self.attach?;
        attach.all |= self.all;
        if self.root == Some(None) {
            attach.named |= Contexts::FS;
        }
        Some(attach)
    }

    /// The root directory that is named by a path.
    pub(crate) fn root(&self) -> Option<&PathBuf> {
        self.root
            .as_ref()
            .and_then(Option::as_ref)
            .or(self.root_directory.as_ref())
    }

    /// The working directory that is named by a path.
    pub(crate) fn wd(&self) -> Option<&PathBuf> {
        self.wd
            .as_ref()
            .and_then(Option::as_ref)
            .or(self.working_directory.as_ref())
    }

    /// An option that names a task's directory, where no task is named.
    pub(crate) fn lacks_task(&self) -> Option<&'static str> {
        let options = [("--root", &self.root), ("--wd", &self.wd)];
        let of_task = options.into_iter().find(|(_, value)| **value == Some(None));
        of_task
            .filter(|_| self.attach.is_none())
            .map(|(name, _)| name)
    }
}
