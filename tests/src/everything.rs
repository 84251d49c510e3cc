// SPDX-License-Identifier: GPL-2.0-only

//! Everything that a request can name, and how it shows.

use std::collections::BTreeSet;

use unshare_device::Contexts;

/// What a test's caller shares with a sharer.
pub(crate) const SHARED: Contexts = Contexts::FS.union(Contexts::FILES).union(Contexts::SYSVSEM);

/// Everything that processes can share, including the address space and signal handlers.
pub(crate) const PROCESS: Contexts = SHARED.union(Contexts::VM).union(Contexts::SIGHAND);

/// Every context that a request can name together with the others. An empty mount namespace would
/// hide the caller from the witness.
pub(crate) fn all_at_once() -> Contexts {
    SHARED | Contexts::NAMESPACES.difference(Contexts::EMPTY_MNTNS)
}

/// Every context, one by one, that unshare accepts if nothing of [`Contexts::VM`] is shared.
pub(crate) fn singles() -> Vec<Contexts> {
    let threads = Contexts::VM | Contexts::SIGHAND | Contexts::THREAD;
    (SHARED | Contexts::NAMESPACES | threads).each().collect()
}

/// Each two of the [`singles`].
pub(crate) fn pairs() -> Vec<Contexts> {
    let singles = singles();
    let of = |(place, &a)| singles[place + 1..].iter().map(move |&b| a | b);
    singles.iter().enumerate().flat_map(of).collect()
}

/// Returns what a request for `asked` replaces if the caller shares `shared`.
pub(crate) fn replaced(shared: Contexts, asked: Contexts) -> Contexts {
    let mut replaced = asked & (shared | all_at_once().difference(SHARED));
    if asked.intersects(Contexts::VM | Contexts::THREAD) {
        replaced |= shared & (Contexts::VM | Contexts::SIGHAND);
    }
    if asked.contains(Contexts::EMPTY_MNTNS) {
        replaced |= Contexts::MOUNT;
    }
    if replaced.intersects(Contexts::MOUNT | Contexts::USER) {
        replaced |= shared & Contexts::FS;
    }
    if replaced.contains(Contexts::IPC) {
        replaced |= shared & Contexts::SYSVSEM;
    }
    replaced
}

/// Returns the points of a snapshot in which a caller that shared [`PROCESS`] must have changed.
pub(crate) fn points(replaced: Contexts) -> BTreeSet<String> {
    let points = replaced.each().flat_map(|context| match context {
        Contexts::VM => vec!["kcmp/vm"],
        Contexts::SIGHAND => vec!["kcmp/sighand"],
        Contexts::FS => vec!["kcmp/fs"],
        Contexts::FILES => vec!["kcmp/files"],
        Contexts::SYSVSEM => vec!["kcmp/sysvsem"],
        Contexts::MOUNT => vec!["ns/mnt", "root", "cwd"],
        Contexts::UTS => vec!["ns/uts"],
        Contexts::IPC => vec!["ns/ipc"],
        Contexts::USER => vec!["ns/user"],
        Contexts::PID => vec!["ns/pid_for_children"],
        Contexts::NET => vec!["ns/net"],
        Contexts::CGROUP => vec!["ns/cgroup"],
        Contexts::TIME => vec!["ns/time_for_children"],
        other => panic!("nothing shows that {other} was replaced"),
    });
    points.map(String::from).collect()
}
