// SPDX-License-Identifier: GPL-2.0-only

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use unshare_device::Contexts;

/// A task to attach to.
#[derive(Debug)]
pub struct Target {
    pid: Pid,
    pidfd: OwnedFd,
}

/// The number of a process, as an argument.
///
/// # Errors
///
/// Says that it is none.
pub fn parse_pid(text: &str) -> Result<Pid> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.and_then(Pid::from_raw).context("that is no PID")
}

impl Target {
    /// Takes hold of the process with this number.
    ///
    /// What is looked up by the number afterwards may be another process's only if this one has
    /// ended, and then attaching to it will fail.
    ///
    /// # Errors
    ///
    /// `ESRCH` when there is none.
    pub fn open(pid: Pid) -> Result<Self> {
        let pidfd = pidfd_open(pid, PidfdFlags::empty())
            .with_context(|| format!("process {}", pid.as_raw_nonzero()))?;
        Ok(Self { pid, pidfd })
    }

    /// Of the namespaces in `kinds`, those that the caller is not in.
    ///
    /// # Errors
    ///
    /// `EACCES` when the process may not be looked at.
    pub fn other_namespaces(&self, kinds: Contexts) -> Result<Contexts> {
        let mut others = Contexts::empty();
        for kind in (kinds & Contexts::NAMESPACES).each() {
            let Some(name) = namespace_name(kind) else {
                continue;
            };
            let path = self.proc(&format!("ns/{name}"));
            let its = fs::read_link(&path).context(path)?;
            let path = format!("/proc/self/ns/{name}");
            if its != fs::read_link(&path).context(path)? {
                others |= kind;
            }
        }
        Ok(others)
    }

    /// What a file in the process's folder under `/proc` says.
    ///
    /// # Errors
    ///
    /// Those of open(2) and read(2).
    pub fn read(&self, name: &str) -> Result<String> {
        let path = self.proc(name);
        fs::read_to_string(&path).context(path)
    }

    /// The path of a file in the process's folder under `/proc`.
    pub fn proc(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid.as_raw_nonzero())
    }
}

impl AsFd for Target {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// The kernel's short name of a namespace: under `/proc/PID/ns`, and in `user.max_NAME_namespaces`.
pub(crate) fn namespace_name(kind: Contexts) -> Option<&'static str> {
    Some(match kind {
        Contexts::MOUNT | Contexts::EMPTY_MNTNS => "mnt",
        Contexts::UTS => "uts",
        Contexts::IPC => "ipc",
        Contexts::USER => "user",
        Contexts::PID => "pid",
        Contexts::NET => "net",
        Contexts::CGROUP => "cgroup",
        Contexts::TIME => "time",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rustix::process::getpid;

    use super::*;

    #[test]
    fn one_is_in_ones_own_namespaces() {
        let target = Target::open(getpid()).unwrap();
        let others = target.other_namespaces(Contexts::MOUNT | Contexts::NET);
        assert_eq!(others.unwrap(), Contexts::empty());
    }

    #[test]
    fn every_namespace_has_its_link() {
        for kind in (Contexts::NAMESPACES - Contexts::EMPTY_MNTNS).each() {
            assert!(namespace_name(kind).is_some(), "{kind}");
        }
    }
}
