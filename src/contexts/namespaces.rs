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
/// What its drop does that anyone can see: nothing, as of [`NsProxy`]. No segment is disowned and no
/// clock is mapped before the commit.
pub(crate) struct Namespaces {
    set: NsProxy,
    /// Those in the set that are other ones than the task's.
    pub(crate) replaced: Contexts,
    leaves_segments: bool,
    /// Whether the clocks of an attached time namespace are to be mapped.
    pub(crate) joins_clocks: bool,
}

/// Makes the namespaces that are asked for, in the order of `create_new_namespaces()`: out of those
/// that were `attached`, if any, or else of the task's.
///
/// They belong to the user namespace of `credentials`, if those are in another one, and the caller must
/// be an administrator there. Mirrors `unshare_nsproxy_namespaces()`, but tells which one failed.
///
/// The waits are those of unshare(2) here, for tasks that make or release namespaces, with the copies of
/// the task's contexts in hand: `namespace_sem` of the mounts, which no signal ends there either, and
/// `pernet_ops_rwsem` of the networks, which a deadly signal does. None is for the target.
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
            // A new network takes settings over from that of the task that makes it.
            Context::Net if set.changes(current).contains(kind) => set.copy_net_ns_in(owner),
            Context::Net => set.copy_net_ns(flag, owner),
            Context::Time => set.copy_time_ns(flag, owner),
            _ => Ok(()),
        }
        .map_err(Failure::of(kind))?;
    }
    Ok(Some(Namespaces::new(current, request, set)))
}

/// The order in which they are made or attached: the first of them that cannot be is the one that
/// is named.
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
    /// Has a descriptor hold the namespaces of these kinds, and nothing else of the set. Fails with `ENOMEM`.
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

    /// Does what has to be done while the task is still in its old namespaces.
    ///
    /// The shared memory segments that the task made stay behind with the old IPC namespace where
    /// the new one was made for it; who attaches may come back, and `setns(2)` keeps them.
    pub(crate) fn activate(self, current: &Current) -> ActiveNsProxy {
        if self.leaves_segments {
            sysvipc::exit_shm(current);
        }
        self.set.activate()
    }
}
