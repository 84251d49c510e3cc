// SPDX-License-Identifier: GPL-2.0

//! The seven namespaces that an nsproxy carries.

use kernel::prelude::*;

use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    failure::Failure,
    request::Request,
    sys::{
        cred::{
            Cred,
            UserNs, //
        },
        fs_struct::FsStruct,
        nsproxy::{
            ActiveNsProxy,
            NsProxy, //
        },
        sysvipc,
        task::Current, //
    },
};

/// A prepared set of namespaces.
///
/// Other tasks cannot see the drop of this value: see [`NsProxy`]. Only the commit disowns shared memory
/// segments and maps clocks.
pub(crate) struct Namespaces {
    set: NsProxy,
    /// The kinds in which the set differs from the task's own.
    pub(crate) replaced: Contexts,
    leaves_segments: bool,
    /// Whether the commit maps the clocks of an attached time namespace.
    pub(crate) joins_clocks: bool,
}

/// Makes the new namespaces of the request, as copies of those in `attached`, or else of the task's. The order
/// is that of `create_new_namespaces()`.
///
/// They belong to the user namespace of `credentials`, or else to the task's, in which the caller must have
/// CAP_SYS_ADMIN. Mirrors `unshare_nsproxy_namespaces()`, but reports which namespace failed.
///
/// This function waits where unshare(2) waits, for tasks that make or release namespaces; it already owns
/// copies of other contexts then. No signal ends the waits for `namespace_sem` of the mounts, for `uts_sem`,
/// and, at the limit of IPC namespaces, for the worker that frees them, in unshare(2) neither. A fatal signal
/// ends the wait for `pernet_ops_rwsem` of the networks. It never waits for the target.
pub(crate) fn prepare(
    current: &Current,
    request: &Request,
    credentials: Option<&Cred>,
    fs: Option<&mut FsStruct>,
    attached: Option<NsProxy>,
) -> Result<Option<Namespaces>, Failure> {
    let new = request.unshare & Contexts::NSPROXY;
    let Some(first) = ORDER.into_iter().find(|kind| new.contains(*kind)) else {
        return Ok(attached.map(|set| Namespaces::new(current, request, set)));
    };
    let owner = credentials.map_or_else(|| UserNs::of(current), Cred::user_ns);
    if !owner.has_admin() {
        return Err(Failure::of(first)(EPERM));
    }
    let mut set = match attached {
        Some(attached) => attached,
        None => NsProxy::dup(current).map_err(Failure::of(first))?,
    };
    if let Some(fs) = fs.filter(|_| new.contains(Context::Mount)) {
        let mount = request.unshare & (Context::Mount | Context::EmptyMount);
        set.copy_mnt_ns(mount.bits(), &owner, fs)
            .map_err(Failure::of(Context::Mount))?;
    }
    let owner = &owner;
    for &kind in ORDER.iter().filter(|kind| new.contains(**kind)) {
        let flag = Contexts::from(kind).bits();
        match kind {
            Context::Uts => set.copy_utsname(flag, owner),
            Context::Ipc => set.copy_ipcs(flag, owner),
            Context::Pid => set.copy_pid_ns(flag, owner),
            Context::Cgroup => set.copy_cgroup_ns(flag, owner),
            // A new network inherits settings from that of the task that makes it, so a task in the attached
            // network makes it.
            Context::Net if set.changes(current).contains(kind) => set.copy_net_ns_in(owner),
            Context::Net => set.copy_net_ns(flag, owner),
            Context::Time => set.copy_time_ns(flag, owner),
            _ => Ok(()),
        }
        .map_err(Failure::of(kind))?;
    }
    Ok(Some(Namespaces::new(current, request, set)))
}

/// The order in which namespaces are made or attached. If several of them fail, the request names the first.
pub(crate) const ORDER: [Context; 7] = [
    Context::Mount,
    Context::Uts,
    Context::Ipc,
    Context::Pid,
    Context::Cgroup,
    Context::Net,
    Context::Time,
];

impl Namespaces {
    /// Makes a set of the namespaces of these kinds only, for a descriptor to hold. Fails with `ENOMEM`.
    pub(crate) fn hold(self, kinds: Contexts) -> Result<NsProxy> {
        self.set.alone(kinds)
    }

    fn new(current: &Current, request: &Request, set: NsProxy) -> Self {
        Self {
            replaced: set.changes(current),
            set,
            leaves_segments: request.unshare.contains(Context::Ipc),
            joins_clocks: request.attach.contains(Context::Time),
        }
    }

    /// Disowns the shared memory segments while the task is still in its old IPC namespace, and makes the new
    /// namespaces active.
    ///
    /// A task that gets a new IPC namespace disowns the segments that it made in the old one. A task that
    /// attaches one may come back, so it keeps them, as `setns(2)` does.
    pub(crate) fn activate(self, current: &Current) -> ActiveNsProxy {
        if self.leaves_segments {
            sysvipc::exit_shm(current);
        }
        self.set.activate()
    }
}
