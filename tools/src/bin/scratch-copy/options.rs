// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use rustix::process::Pid;
use unshare_tools::parse_pid;

/// Run a command in a private, throw-away copy of a running container's mounts.
///
/// The command gets the container's namespaces, those of the process PID, but of its mount
/// namespace a private copy. Both are one request to /dev/unshare: at no moment is the command, or
/// what it comes from, in the container's own mount namespace. What the command mounts and unmounts
/// is its own affair. Over the root directory lies an overlay that keeps in memory what is written.
/// All of it goes when the command and its children have ended.
///
/// Without a command, runs /bin/sh of the container.
#[derive(Debug, Parser)]
#[command(
    name = crate::PROGRAM,
    version,
    override_usage = "scratch-copy [--scratch DIR]... PID [--] [COMMAND [ARGUMENT]...]",
    after_long_help = AFTER_HELP
)]
pub(crate) struct Options {
    /// Keep in memory what is written in DIR, and not in / [default: /]
    ///
    /// An absolute path in the container. What is mounted below DIR stays as it is: who writes
    /// there writes to the container's files. Give the option once more for each volume that is to
    /// be spared: --scratch / --scratch /data.
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = "/",
        hide_default_value = true
    )]
    #[arg(value_parser = absolute)]
    scratch: Vec<PathBuf>,

    /// A process of the container
    #[arg(value_name = "PID", value_parser = parse_pid)]
    pub(crate) pid: Pid,

    /// What to run, with its arguments
    #[arg(trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

impl Options {
    /// The directories to cover, each after those that it is in.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let mut directories = self.scratch.clone();
        directories.sort();
        directories.dedup();
        directories
    }
}

fn absolute(text: &str) -> Result<PathBuf, &'static str> {
    match text.starts_with('/') {
        true => Ok(text.into()),
        false => Err("that is no absolute path"),
    }
}

const AFTER_HELP: &str = "\
What is a copy:
  Mounts           the table, not what is mounted. Afterwards neither side sees what the other
                   mounts.
  DIR              an overlay: its lower layer is the container's directory. What the container
                   writes there meanwhile may or may not be seen.
What is the container's own:
  Namespaces       all others that are not the caller's already: processes (the command can signal
                   those of the container), network, host name, IPC, users. In a user namespace the
                   command is its root.
  Other mounts     /proc, /sys, /dev, and volumes, unless --scratch names them.
What stays the caller's:
  Control group, resource limits, seccomp filter, environment, terminal. This is no sandbox: the
  command is trusted as the caller is.

Locked mounts:
  What a mount namespace got from one of another user namespace is locked, since it may hide
  something: see mount_namespaces(7). There can be no overlay over it with what is below left out.
  Those of container runtimes are not: they mount what they need from inside. In a container made
  by unshare(1), name directories with nothing mounted below: --scratch /etc.

Examples:
  What would an upgrade do?
    scratch-copy $PID apt-get -y dist-upgrade

  A debugger that the container's image lacks:
    scratch-copy $PID -- sh -c 'apk add strace && strace -fp 1'

  A volume as well:
    scratch-copy --scratch / --scratch /var/lib/postgresql $PID

Exit status:
  The command's own. 128 and the signal's number if a signal ended it. 1 if there was no copy, 2 for
  a wrong option, 126 if the command cannot run, 127 if it is not there.

See also:
  nsenter(1), mount_namespaces(7), the kernel's Documentation/filesystems/overlayfs.rst";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Option<Options> {
        Options::try_parse_from(["scratch-copy"].iter().chain(arguments)).ok()
    }

    #[test]
    fn the_options_are_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn outer_directories_come_first() {
        let line = [
            "-s", "/var/lib", "-s", "/", "-s", "/var", "-s/var", "42", "ls", "-s",
        ];
        let options = parse(&line).unwrap();
        assert_eq!(
            options.directories(),
            ["/", "/var", "/var/lib"].map(PathBuf::from)
        );
        assert_eq!(options.command, ["ls", "-s"]);
        assert_eq!(parse(&["42"]).unwrap().directories(), [PathBuf::from("/")]);
    }

    #[test]
    fn what_is_no_pid_or_path_is_refused() {
        for line in [["-s/", "0"], ["-s/", "self"], ["-setc", "42"]] {
            assert!(parse(&line).is_none(), "{line:?}");
        }
    }
}
