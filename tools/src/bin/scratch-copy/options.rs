// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use rustix::process::Pid;
use unshare_tools::{Shell, parse_pid};

/// Run a command on a private, throw-away copy of a running container's mounts.
///
/// The command gets the namespaces of the process PID, and its root directory, but a private copy of
/// its mount namespace. One request to /dev/unshare does both: at no moment is scratch-copy or the
/// command in the container's own mount namespace. The container does not see what the command
/// mounts and unmounts. Over the root directory lies an overlay that keeps in memory what is written. All
/// of it goes when the command and its children have ended.
///
/// Without a command, runs /bin/sh of the container.
#[derive(Debug, Parser)]
#[command(
    name = crate::PROGRAM,
    version,
    override_usage = "scratch-copy [--pty] [--scratch DIR]... PID [--] [COMMAND [ARGUMENT]...]",
    after_long_help = AFTER_HELP
)]
pub(crate) struct Options {
    /// Keep in memory what is written in DIR, and not in / [default: /]
    ///
    /// DIR is an absolute path in the container. What is mounted below DIR stays as it is: what the
    /// command writes there, it writes to the container's files. Give the option once more for each
    /// volume to spare: --scratch / --scratch /data.
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = "/",
        hide_default_value = true
    )]
    #[arg(value_parser = absolute)]
    scratch: Vec<PathBuf>,

    /// Give the command a terminal and a session of its own
    ///
    /// By default, the command has the caller's terminal. Where the sysctl dev.tty.legacy_tiocsti is
    /// 1, or the command has CAP_SYS_ADMIN, it can push input into that one, which the caller's shell
    /// reads afterwards.
    #[arg(long)]
    pub(crate) pty: bool,

    /// Print completions of the command line for a shell, and do nothing else
    #[arg(long, value_name = "SHELL", exclusive = true)]
    pub(crate) completions: Option<Shell>,

    /// A process of the container
    #[arg(value_name = "PID", value_parser = parse_pid, required_unless_present = "completions")]
    pid: Option<Pid>,

    /// What to run, with its arguments
    #[arg(trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

impl Options {
    /// The process of the container.
    pub(crate) fn pid(&self) -> Pid {
        self.pid.unwrap_or(Pid::INIT)
    }

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
  DIR              an overlay: its lower layer is the container's directory. The command may or may
                   not see what the container writes there meanwhile.
What is the container's own:
  Namespaces       all that differ from the caller's: processes (the command can signal those of the
                   container), network, host name, IPC, users. In a user namespace the command is
                   root.
  Other mounts     /proc, /sys, /dev, and volumes, unless --scratch names them.
What stays the caller's:
  Standard input, output and error (no other descriptor), control group, resource limits, seccomp
  filter, environment, and without --pty the terminal. This is no sandbox: trust the command as you
  trust the caller.

Locked mounts:
  Mounts that a mount namespace got from a namespace of another user namespace are locked, since they
  may hide something: see mount_namespaces(7). An overlay over such a mount that leaves out what is
  mounted below is refused. The mounts of container runtimes are not locked: they mount what they need
  from inside. In a container made by unshare(1), name directories with nothing mounted below:
  --scratch /etc.

Examples:
  What would an upgrade do?
    scratch-copy $PID apt-get -y dist-upgrade

  A debugger that the container's image lacks:
    scratch-copy $PID -- sh -c 'apk add strace && strace -fp 1'

  A volume as well:
    scratch-copy --scratch / --scratch /var/lib/postgresql $PID

Exit status:
  The command's own, or 128 and the number of the signal that ended it. 125 if scratch-copy itself
  fails, 126 if the command cannot run, 127 if the command is not found.

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
