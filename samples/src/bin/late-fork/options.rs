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
When it pays:
  A fork copies the page tables of all that the parent has written to, and after it the parent
  faults once for each page that it writes to again, needed or not. With a large parent, of whose
  children most exec or exit at once, and which cannot be told apart before they have looked: that
  is a server with a big cache which starts CGI programs and, sometimes, a worker from its own
  image; a shell with its subshells; a test runner.
  It does not pay
    when most children need their own memory: it is a vfork and a fork then;
    when all exec: that is vfork, or posix_spawn(3), which know it from the start;
    when looking takes long: the parent's thread stands still meanwhile.

The rules of the child, until it has left its parent's memory:
  Stack      its own. vfork(3) shares the parent's, and a child that returns from a function
             destroys it: that child could never go on after the copy.
  Memory     what it writes is written for its parent. This is no bug: an answer can be left there.
  Allocator  not used. It would work while the parent stands still, but everything that was
             allocated stays so in the parent, which does not know of it. If the parent has other
             threads, they go on, and share the thread-locals of the child with nobody's
             knowledge: there, no lock either.
  Signals    all blocked, so that no handler runs in the borrowed memory. Those that have a
             handler are reset before exec, as exec will do anyway.
  Functions  those that signal-safety(7) lists. No exit handlers, no output through buffers, no
             panic: the child ends by exit(2) alone.
  errno      is the parent's own.
After the copy a child of a parent with one thread may do all that a forked child may: the parent
stood at one known point. In a copy of several threads, as after fork, a lock may be held by nobody.
Handlers registered with pthread_atfork(3) do not run, and what the C library remembers of the
thread's id is the parent's: no robust, recursive or error-checking mutexes.

Exit status:
  0 if all that was written was seen by those who were to see it, and by nobody else. 1 if not, or
  if /dev/unshare cannot do it. 2 for a wrong option.

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
