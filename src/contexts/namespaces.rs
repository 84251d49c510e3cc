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
pub(crate) struct Namespaces {
    set: NsProxy,
    /// Those in the set that are new.
    pub(crate) new: Contexts,
}

/// Makes the namespaces that are asked for, in the order of `create_new_namespaces()`.
///
/// They belong to the user namespace of `credentials` where that is new as well, and who asks must
/// be an administrator there. Mirrors `unshare_nsproxy_namespaces()`, but tells which one failed.
pub(crate) fn prepare(
    current: &Current,
    request: &Request,
    credentials: Option<&Cred>,
    fs: Option<&mut FsStruct>,
) -> Result<Option<Namespaces>, Failure> {
    let new = request.unshare & Contexts::NSPROXY;
    let Some(first) = ORDER.into_iter().find(|kind| new.contains(*kind)) else {
        return Ok(None);
    };
    let owner = credentials.map_or_else(|| UserNs::of(current), Cred::user_ns);
    if !owner.has_admin() {
        return Err(Failure::of(first)(EPERM));
    }

    let mut set = NsProxy::dup(current).map_err(Failure::of(first))?;
    if let Some(fs) = fs.filter(|_| new.contains(Context::Mount)) {
        let mount = request.unshare & (Context::Mount | Context::EmptyMount);
        set.copy_mnt_ns(mount.bits(), owner, fs)
            .map_err(Failure::of(Context::Mount))?;
    }
    for kind in ORDER.into_iter().filter(|kind| new.contains(*kind)) {
        let flag = Contexts::from(kind).bits();
        match kind {
            Context::Uts => set.copy_utsname(flag, owner),
            Context::Ipc => set.copy_ipcs(flag, owner),
            Context::Pid => set.copy_pid_ns(flag, owner),
            Context::Cgroup => set.copy_cgroup_ns(flag, owner),
            Context::Net => set.copy_net_ns(flag, owner),
            Context::Time => set.copy_time_ns(flag, owner),
            _ => Ok(()),
        }
        .map_err(Failure::of(kind))?;
    }
    Ok(Some(Namespaces { set, new }))
}

/// The order in which they are made: the first of them that cannot be is the one that is named.
const ORDER: [Context; 7] = [
    Context::Mount,
    Context::Uts,
    Context::Ipc,
    Context::Pid,
    Context::Cgroup,
    Context::Net,
    Context::Time,
];

impl Namespaces {
    /// Does what has to be done while the task is still in its old namespaces.
    ///
    /// The shared memory segments that the task made stay behind with the old IPC namespace.
    pub(crate) fn activate(self, current: &Current) -> ActiveNsProxy {
        if self.new.contains(Context::Ipc) {
            sysvipc::exit_shm(current);
        }
        self.set.activate()
    }
}
