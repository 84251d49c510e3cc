// SPDX-License-Identifier: GPL-2.0-only

mod attach;
mod contexts;
mod help;
mod how;
mod ids;

use std::ffi::OsString;

use clap::{ArgAction, Parser};

pub(crate) use attach::AttachOptions;
pub(crate) use contexts::ContextOptions;
pub(crate) use how::{HowOptions, Propagation};
pub(crate) use ids::{Id, IdOptions, Setgroups};
use unshare_device::Contexts;
use unshare_tools::Shell;

/// Run a command with its own copy of parts of its execution context, or with another task's.
///
/// One ioctl on /dev/unshare replaces everything that the options name, as one transaction: either
/// the command gets all of it, or nothing has changed, unshare-run names the part that was refused,
/// and the command does not run.
///
/// Without a command, runs $SHELL, or /bin/sh.
#[derive(Debug, Parser)]
#[command(
    name = crate::PROGRAM,
    version,
    override_usage = "unshare-run [OPTIONS] [--] [COMMAND [ARGUMENT]...]\n       unshare-run --query [--json]",
    after_long_help = help::AFTER
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) contexts: ContextOptions,

    #[command(flatten)]
    pub(crate) attach: AttachOptions,

    #[command(flatten)]
    pub(crate) ids: IdOptions,

    #[command(flatten)]
    pub(crate) how: HowOptions,

    /// Say what would be replaced; change nothing, run nothing
    ///
    /// Where the request would be refused, says which context is, and what to do about it.
    #[arg(long, help_heading = "Instead of running a command")]
    pub(crate) dry_run: bool,

    /// Show what this kernel can unshare and hold, and what the caller shares
    #[arg(
        long,
        conflicts_with_all = ["dry_run", "command"],
        help_heading = "Instead of running a command"
    )]
    pub(crate) query: bool,

    /// Write the answer of --query or --dry-run as JSON
    #[arg(long, help_heading = "Instead of running a command")]
    pub(crate) json: bool,

    /// Print completions of the command line for a shell
    #[arg(
        long,
        value_name = "SHELL",
        exclusive = true,
        help_heading = "Instead of running a command"
    )]
    pub(crate) completions: Option<Shell>,

    /// What to run, with its arguments
    #[arg(trailing_var_arg = true, action = ArgAction::Append)]
    pub(crate) command: Vec<OsString>,
}

impl Options {
    /// All contexts to unshare that the options name or imply.
    pub(crate) fn unshared(&self) -> Contexts {
        let implied = [
            (self.how.close_from.is_some(), Contexts::FILES),
            (self.how.mounts(), Contexts::MOUNT),
            (self.how.sets_clock(), Contexts::TIME),
            (
                self.ids.implies_user() || self.how.mounts_binfmt(),
                Contexts::USER,
            ),
        ];
        implied
            .into_iter()
            .filter_map(|(implied, context)| implied.then_some(context))
            .chain([self.contexts.named()])
            .collect()
    }

    /// Whether the command runs as a child.
    pub(crate) fn forks(&self, attached: Contexts) -> bool {
        self.how.forks() || attached.contains(Contexts::PID) && !self.attach.no_fork
    }
}

#[cfg(test)]
mod tests;
