// SPDX-License-Identifier: GPL-2.0-only

//! All that can be asked for, and what each of it shows as.

use std::collections::BTreeSet;

use unshare_device::Contexts;

/// What a test's caller shares with a task made by clone(2).
pub(crate) const SHARED: Contexts = Contexts::FS.union(Contexts::FILES).union(Contexts::SYSVSEM);

/// What a process can share with another: the address space too, and the handlers in it.
pub(crate) const PROCESS: Contexts = SHARED.union(Contexts::VM).union(Contexts::SIGHAND);

/// Every context that can be asked for together with the others: an empty mount namespace would
/// take the witness's way to look at the caller.
pub(crate) fn all_at_once() -> Contexts {
    SHARED | Contexts::NAMESPACES.difference(Contexts::EMPTY_MNTNS)
}

/// Every context that unshare accepts when nothing of [`Contexts::VM`] is shared, one by one.
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

/// What a request for `asked` replaces, of a caller that shares `shared`.
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

/// The points of a snapshot in which a caller that shared [`PROCESS`] has changed.
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
