// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

/// Run a session in which /tmp and /var/tmp are the user's own.
///
/// Leaves the mount namespace by one ioctl on /dev/unshare, mounts the user's instance of each
/// configured directory over it, gives up root's privilege and runs COMMAND: as the user, whose
/// files there no other user sees. Nobody's session is started with less: any error ends it.
///
/// Without a command, runs what sshd was asked for ($SSH_ORIGINAL_COMMAND), or else the user's
/// login shell.
#[derive(Debug, Parser)]
#[command(
    name = crate::PROGRAM,
    version,
    override_usage = "private-tmp [--user NAME] [--config FILE] [--] [COMMAND [ARGUMENT]...]\n       \
                      private-tmp --pam [--config FILE]",
    after_long_help = AFTER_HELP
)]
pub(crate) struct Options {
    /// Whose session it is [default: $PAM_USER]
    ///
    /// Looked up in /etc/passwd and /etc/group. Who runs the program by its setuid bit gets a
    /// session of their own, and may use no option.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) user: Option<String>,

    /// What to read instead of /etc/security/private-tmp.conf
    ///
    /// That of pam_namespace, /etc/security/namespace.conf, will do.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Accept instance parents that users can look into
    ///
    /// They should be root's, with mode 000. A missing one is made so.
    #[arg(long)]
    pub(crate) ignore_instance_parent_mode: bool,

    /// Prepare or clean up for a session, for pam_exec
    ///
    /// When $PAM_TYPE is open_session, checks the configuration and makes the instances of
    /// $PAM_USER; when it is close_session, removes those of method tmpdir that no session uses any
    /// more. Starts nothing.
    #[arg(long, conflicts_with_all = ["user", "command"])]
    pub(crate) pam: bool,

    /// What to run, with its arguments
    #[arg(trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

impl Options {
    /// Whether there is one that who runs the program by its setuid bit must not use.
    pub(crate) fn are_root_s(&self) -> bool {
        self.user.is_some() || self.config.is_some() || self.ignore_instance_parent_mode || self.pam
    }
}

const AFTER_HELP: &str = "\
Configuration:
  One directory a line, as pam_namespace(8) has it:
    DIRECTORY INSTANCE_PREFIX METHOD[:FLAG]... [USERS]
  $HOME and $USER stand for the user's. METHOD is one of
    user      one instance a user, INSTANCE_PREFIX followed by the user's name
    context   one for each security context of the user: context_user
    level     one for each level of that context: level_user
    tmpdir    a new one for each session, removed with it
    tmpfs     a new tmpfs for each session; INSTANCE_PREFIX says nothing
  FLAGs:
    create[=MODE[,OWNER[,GROUP]]]   make DIRECTORY if it is missing
    shared                          context and level: without the user's name
    mntopts=OPTION[,OPTION]...      of a tmpfs
    iscript=FILE                    run FILE of /etc/security/namespace.d instead of
                                    /etc/security/namespace.init, as root, with DIRECTORY, the
                                    instance, 1 if it is new, and the user's name
    noinit                          run neither
  USERS, with commas between them, are left with the common directory; after a ~, they alone have
  instances. Without a security module, context and level are as user.
  Without the file, it is
    /tmp      /tmp-inst/          user  root
    /var/tmp  /var/tmp/tmp-inst/  user  root

With sshd, as a session command:
  Install the program setuid root, and write in sshd_config:
    ForceCommand /usr/local/sbin/private-tmp
  Internal sftp goes past it: give `Subsystem sftp` the path of sftp-server.

With pam_exec:
  pam_exec runs its program as a child of the login process, and namespaces are left for oneself
  alone: a child cannot move its parent's session. So the namespace is the session command's
  work, and pam_exec's is what comes before and after, which also refuses a login that would have
  no private directories:
    session required pam_exec.so /usr/local/sbin/private-tmp --pam

With su or a service, as root:
    private-tmp --user alice -- command

Exit status:
  The command's own. 1 if there was no session, 2 for a wrong option, 126 if the command cannot
  run, 127 if it is not there.

See also:
  namespace.conf(5), pam_namespace(8), pam_exec(8), mount_namespaces(7)";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        super::Options::command().debug_assert();
    }
}
