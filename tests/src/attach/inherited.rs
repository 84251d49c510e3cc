// SPDX-License-Identifier: GPL-2.0-only

//! What a new namespace inherits from the namespace that was attached in the same request: the same
//! as after setns(2) and then unshare(2).

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use anyhow::{Context, Result};
use rustix::process::{Gid, Pid, Resource, Rlimit, Uid, getpid, setrlimit};
use unshare_device::Contexts;

use super::target::{Target, attach};
use crate::backend::{Backend, syscall};
use crate::check::ensure;
use crate::child::{Child, in_child};
use crate::device::Device;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::sharer::Sharer;

const NET: Contexts = Contexts::NET;
const USER: Contexts = Contexts::USER;

/// The user's limit of processes when it makes the user namespace.
const PROCESSES: u64 = 5;

pub(crate) fn suite() -> Suite {
    Suite::new("attach_inherited")
        .test(
            "with devconf_inherit_init_net=3, the new network has the settings of the attached one",
            network_settings,
        )
        .test(
            "a user namespace below the attached one has the owner's RLIMIT_NPROC",
            process_limit,
        )
}

/// Attaches to the task behind a descriptor and unshares the same kind, by one request or by two calls.
fn attach_and_unshare(backend: Backend, pidfd: i32, kind: Contexts) -> Result<()> {
    // SAFETY: The caller has the descriptor open.
    let pidfd = unsafe { BorrowedFd::borrow_raw(pidfd) };
    let device = Device::open()?;
    match backend {
        Backend::Syscall => {
            backend.attach(&device, pidfd, kind)?;
            backend.unshare(&device, kind)?;
        }
        Backend::Ioctl => {
            let reply = device.commit(attach(&pidfd, kind, kind));
            ensure!(reply.errno.is_none(), "{reply:?}");
        }
    }
    Ok(())
}

const SETTINGS: [&str; 9] = [
    "ipv4/conf/all/accept_source_route",
    "ipv4/conf/all/rp_filter",
    "ipv4/conf/all/forwarding",
    "ipv4/conf/default/rp_filter",
    "ipv4/conf/default/accept_source_route",
    "ipv4/conf/lo/rp_filter",
    "ipv4/conf/lo/accept_source_route",
    "ipv6/conf/all/hop_limit",
    "ipv6/conf/default/hop_limit",
];

/// The setting of a child network that mirrors `PARENT`.
const CHILD: &str = "ipv4/tcp_ehash_entries";
const PARENT: &str = "ipv4/tcp_child_ehash_entries";

/// A [`Question`](crate::sharer::Question): gives each setting of the network a value.
fn set_all(value: &str) -> Result<String> {
    for name in SETTINGS.into_iter().chain([PARENT]) {
        let path = format!("/proc/sys/net/{name}");
        let value = match name.ends_with("hop_limit") || name == PARENT {
            true => format!("{value}64"),
            false => value.to_owned(),
        };
        if fs::exists(&path)? {
            fs::write(&path, value).with_context(|| path)?;
        }
    }
    Ok(String::new())
}

fn read_all() -> Result<String> {
    let value = |name: &str| {
        let path = format!("/proc/sys/net/{name}");
        let value = match fs::exists(&path)? {
            true => fs::read_to_string(&path)?,
            false => "missing".into(),
        };
        Ok(format!("{name} {}, ", value.trim()))
    };
    SETTINGS.into_iter().chain([CHILD]).map(value).collect()
}

fn network_settings() -> Result<()> {
    let _inherit = Setting::sysctl("net/core/devconf_inherit_init_net", "3")?;
    in_child(|| {
        // The caller's network differs from the target's and from the initial one.
        syscall(NET)?;
        set_all("0")?;
        let target = Target::new(NET)?;
        target.ask(set_all, "1")?;
        let own = read_all()?;
        let [two_calls, one] = [Backend::Syscall, Backend::Ioctl].map(|backend| {
            in_child(|| {
                attach_and_unshare(backend, target.pidfd()?.as_raw_fd(), NET)?;
                read_all()
            })
        });
        let (two_calls, one) = (two_calls?, one?);
        ensure!(two_calls == one, "two calls: {two_calls}\none: {one}");
        ensure!(one != own, "the settings are those of the caller's network");
        Ok(String::new())
    })
    .map(drop)
}

fn process_limit() -> Result<()> {
    let target = Target::new(USER)?;
    map_all(target.pid()?)?;
    let [two_calls, one] =
        [Backend::Syscall, Backend::Ioctl].map(|backend| children_below(&target, backend));
    let (two_calls, one) = (two_calls?, one?);
    ensure!(two_calls == one, "two calls: {two_calls}, one: {one}");
    ensure!(one.parse::<u64>()? < PROCESSES, "{one} children");
    Ok(())
}

/// Maps every ID of a task's user namespace to the same ID of the caller's.
fn map_all(task: Pid) -> Result<()> {
    for map in ["uid_map", "gid_map"] {
        let path = format!("/proc/{}/{map}", task.as_raw_nonzero());
        fs::write(&path, "0 0 10000").context(path)?;
    }
    Ok(())
}

/// Counts the children that a user may have in a namespace that was made under a low limit.
fn children_below(target: &Target, backend: Backend) -> Result<String> {
    // The task inherits the descriptor.
    let pidfd = target.pidfd()?;
    let below = Sharer::new(Contexts::empty())?;
    let question = match backend {
        Backend::Syscall => enter_by_syscalls,
        Backend::Ioctl => enter_by_ioctl,
    };
    below.ask(question, &pidfd.as_raw_fd().to_string())?;
    // Only a task of the parent namespace may map more than one ID.
    in_child(|| {
        Backend::Syscall.attach(&Device::open()?, pidfd.as_fd(), USER)?;
        map_all(below.pid).map(|()| String::new())
    })?;
    below.ask(count_children, "")
}

/// A [`Question`](crate::sharer::Question).
fn enter_by_syscalls(pidfd: &str) -> Result<String> {
    enter(Backend::Syscall, pidfd)
}

/// A [`Question`](crate::sharer::Question).
fn enter_by_ioctl(pidfd: &str) -> Result<String> {
    enter(Backend::Ioctl, pidfd)
}

fn enter(backend: Backend, pidfd: &str) -> Result<String> {
    limit_processes(Some(PROCESSES))?;
    attach_and_unshare(backend, pidfd.parse()?, USER)?;
    Ok(getpid().as_raw_nonzero().to_string())
}

fn limit_processes(current: Option<u64>) -> Result<()> {
    let limit = Rlimit {
        current,
        maximum: None,
    };
    Ok(setrlimit(Resource::Nproc, limit)?)
}

/// A [`Question`](crate::sharer::Question): counts the children that a user without a limit of its
/// own may have.
fn count_children(_: &str) -> Result<String> {
    const USER_ID: u32 = 1000;
    limit_processes(None)?;
    rustix::thread::set_thread_gid(Gid::from_raw(USER_ID))?;
    rustix::thread::set_thread_uid(Uid::from_raw(USER_ID))?;
    let mut children = Vec::new();
    while children.len() < 20 {
        match Child::spawn(|| {
            loop {
                std::thread::park();
            }
        }) {
            Ok(child) => children.push(child),
            Err(_) => break,
        }
    }
    Ok(children.len().to_string())
}
