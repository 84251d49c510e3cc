// SPDX-License-Identifier: GPL-2.0-only

use clap::Parser;

/// Start children as vfork does, and copy the parent's memory only for those that need it.
///
/// A parent with much memory starts children, and each child looks at its job first. A child that
/// can exec or exit at once does so in the memory that it borrows from its parent, and nothing is
/// copied. A child that needs memory of its own, such as a long-lived worker, asks /dev/unshare for
/// CLONE_VM. It then has what a fork would have given it, and its parent continues.
///
/// Prints how long each kind takes, and checks which task sees which writes.
#[derive(Debug, Parser)]
#[command(name = "late-fork", version, after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// How many MiB the parent has written to
    #[arg(
        long,
        value_name = "N",
        default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=65536)
    )]
    pub(crate) mib: u32,

    /// How many of them a child writes to, if it needs its own memory
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) write: u32,

    /// How often each kind of child is started
    #[arg(
        long,
        value_name = "N",
        default_value_t = 15,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub(crate) rounds: u32,

    /// What the children exec: a program that does nothing
    #[arg(long, hide = true)]
    pub(crate) nothing: bool,
}

const AFTER_HELP: &str = "\
When it is faster:
  A fork copies the page tables of everything that the parent has written to. Afterwards the
  parent takes a page fault for each page that it writes to again. This is saved if the parent is
  large, if most of its children exec or exit at once, and if it does not know beforehand which
  ones: a server with a big cache that starts CGI programs and, sometimes, a worker from its own
  image; a shell with its subshells; a test runner.
  It is slower
    if most children need their own memory, because each is a vfork and a fork then;
    if all children exec, for which vfork or posix_spawn(3) is enough;
    if looking takes long, because the parent's thread does not run meanwhile.

Rules for the child, until it has left its parent's memory:
  Stack      The child has its own. vfork(3) shares the parent's stack: a child that returns from
             a function destroys it, and could not continue after the copy.
  Memory     What the child writes, the parent sees. A child may leave an answer in this way.
  Allocator  The child does not use it. It would work while the parent does not run, but what it
             allocates stays allocated in the parent, which does not know of it. If the parent
             has other threads, they run, and the child has the thread-locals of the thread that
             made it: locks do not exclude anything then.
  Signals    All are blocked, so that no handler runs in the borrowed memory. Those with a handler
             are reset before exec, as exec does anyway.
  Functions  Only those that signal-safety(7) lists. No exit handlers, no buffered output, no
             panic: the child ends by exit(2) itself.
  errno      It is the parent's.
After the copy, a child of a parent with one thread may do everything that a forked child may,
because the parent stood at one known point. The copy of a process with threads may contain locks
that no thread will release, as after a fork. Handlers of pthread_atfork(3) do not run, and the C
library has the parent's thread ID: no robust, recursive or error-checking mutexes.

Exit status:
  0 if every write was seen by exactly the tasks that must see it. 1 if not, or if /dev/unshare
  cannot do it. 2 for a wrong option.

See also:
  vfork(2), clone(2), posix_spawn(3), signal-safety(7)";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        super::Options::command().debug_assert();
    }
}
