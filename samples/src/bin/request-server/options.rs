// SPDX-License-Identifier: GPL-2.0-only

use std::path::PathBuf;

use clap::Parser;

/// Serve requests by workers that share the server's memory and descriptors until they need their
/// own.
///
/// For each connection the server starts a task that shares everything with it: memory, working
/// directory and umask, descriptors, signal handlers, namespaces. This is cheap, and the task reads
/// the configuration in place. When the task has read its request, it knows which contexts it must
/// not share, and stops sharing these by one ioctl on /dev/unshare: all of them, or the request is
/// refused.
///
/// This is the second use that the kernel's document about unshare had in mind in 2006.
#[derive(Debug, Parser)]
#[command(
    name = crate::PROGRAM,
    version,
    override_usage = "request-server SOCKET\n       \
                      request-server SOCKET --ask REQUEST\n       \
                      request-server --self-test",
    after_long_help = AFTER_HELP
)]
pub(crate) struct Options {
    /// The path of the server's socket; only the server's user may connect to it
    #[arg(required_unless_present = "self_test")]
    pub(crate) socket: Option<PathBuf>,

    /// Be a client: make this request, and print the answer
    #[arg(long, value_name = "REQUEST")]
    pub(crate) ask: Option<String>,

    /// Run a server, send it each kind of request, and check that the server has not changed
    #[arg(long, conflicts_with_all = ["socket", "ask"])]
    pub(crate) self_test: bool,
}

const AFTER_HELP: &str = "\
Requests are one line, one for each connection. For each, the worker stops sharing:
  limit N                    nothing: sets how many bytes cat answers with, for all workers
  stats                      nothing: reports the counts in the server's memory
  cat DIR FILE               directories and umask, descriptors
  put DIR UMASK FILE TEXT    directories and umask, descriptors
  files                      descriptors: reports how many the worker still has
  host NAME                  the UTS namespace
  tmp DIR TEXT               the mount namespace, directories and umask, descriptors
  scratch WORD               memory and signal handlers: works in a copy of the server's document
A worker with its own descriptors keeps 0, 1, 2 and its own connection.

A worker serves one request, because it cannot return to a context that it has left. The rules for
workers, which have the server's thread-locals, are in worker.rs.

Exit status:
  0 if a client was answered; if a server was ended by SIGTERM or SIGINT and its memory had not
  changed; if the self-test passed. 1 if not. 2 for a wrong option.

See also:
  Documentation/userspace-api/unshare.rst of the kernel, 2.2; clone(2)";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        super::Options::command().debug_assert();
    }
}
