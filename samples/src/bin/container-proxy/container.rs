// SPDX-License-Identifier: GPL-2.0-only

use std::fmt;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use unshare_device::{Contexts, Device, Held, Request};
use unshare_samples::explain;

/// The network, the mounts and the directories of a container, for threads that go there and come back.
#[derive(Debug)]
pub(crate) struct Container {
    pid: Pid,
    held: Held,
}

impl Container {
    /// Holds what this process of the container has now. The process may end afterwards.
    pub(crate) fn hold(device: &Device, pid: Pid) -> Result<Self> {
        let number = pid.as_raw_nonzero();
        let context = || format!("process {number}");
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).with_context(context)?;
        let kinds = Contexts::NET | Contexts::MOUNT | Contexts::FS;
        let request = Request::new().attach(kinds, pidfd.as_fd());
        let held = device
            .hold(&request)
            .map_err(|error| explain(error, &request, device))
            .with_context(context)?;
        Ok(Self { pid, held })
    }

    /// Opens a listening socket in the container's network.
    pub(crate) fn listen(&self, address: SocketAddr) -> Result<TcpListener> {
        self.inside(|| TcpListener::bind(address))
            .with_context(|| address.to_string())
    }

    /// Opens a file of the container to append to it. Symbolic links lead to where they lead in the container.
    pub(crate) fn append(&self, path: &Path) -> Result<File> {
        self.inside(|| File::options().create(true).append(true).open(path))
            .with_context(|| path.display().to_string())
    }

    /// Does `work` inside. The calling thread is back afterwards, whatever becomes of `work`: the guard leaves when
    /// it is dropped, and ends the process if the kernel should refuse that.
    fn inside<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let _inside = self.held.enter()?;
        work()
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container of process {}", self.pid.as_raw_nonzero())
    }
}
