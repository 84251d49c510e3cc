// SPDX-License-Identifier: GPL-2.0-only

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, RenameFlags, renameat_with};
use rustix::net::{SocketFlags, accept_with};
use rustix::process::umask;
use unshare_device::Contexts;
use unshare_samples::open_device;

use crate::connection::Connection;
use crate::shared::Shared;
use crate::worker::Worker;

/// The contexts that requests unshare.
const NEEDED: Contexts = Contexts::VM
    .union(Contexts::SIGHAND)
    .union(Contexts::FS)
    .union(Contexts::FILES)
    .union(Contexts::UTS)
    .union(Contexts::MOUNT);

/// Serves until SIGTERM or SIGINT. Fails if the memory has changed by then.
pub(crate) fn run(path: &Path) -> Result<()> {
    let device = open_device()?;
    let missing = NEEDED - device.query()?.contexts;
    ensure!(missing.is_empty(), "this kernel cannot unshare {missing}");
    let shared = Shared::new(device)?;

    // No handlers, because they would run in workers, too.
    let signals: SigSet = [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT]
        .into_iter()
        .collect();
    signals.thread_block()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&signals, flags)?;

    let listener = listen(path)?;
    let served = serve(&listener, &signals, &shared);
    fs::remove_file(path).with_context(|| path.display().to_string())?;
    served?;
    ensure!(shared.is_untouched(), "a worker wrote to the document");
    Ok(())
}

fn listen(path: &Path) -> Result<UnixListener> {
    // When the socket's path appears, everything is ready and the umask is restored.
    let hidden = path.with_extension("new");
    let before = umask(Mode::RWXG | Mode::RWXO);
    let listener = UnixListener::bind(&hidden);
    umask(before);
    let listener = listener.with_context(|| hidden.display().to_string())?;
    renameat_with(CWD, &hidden, CWD, path, RenameFlags::NOREPLACE)
        .inspect_err(|_| drop(fs::remove_file(&hidden)))
        .with_context(|| path.display().to_string())?;
    // A client may have hung up before the accept.
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn serve(listener: &UnixListener, signals: &SignalFd, shared: &Shared) -> Result<()> {
    let mut workers: Vec<Worker<'_>> = Vec::new();
    loop {
        let mut ready = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
        ];
        rustix::io::retry_on_intr(|| poll(&mut ready, None))?;

        while let Some(info) = signals.read_signal()? {
            if info.ssi_signo != libc::SIGCHLD.unsigned_abs() {
                return Ok(());
            }
        }
        // Dropping a worker closes its connection. The worker has already shut it down for writing.
        workers.retain_mut(|worker| !worker.is_gone());

        match accept_with(listener.as_fd(), SocketFlags::CLOEXEC) {
            Ok(connection) => match start(connection, shared) {
                Ok(worker) => workers.push(worker),
                Err(error) => eprintln!("{}: {error:#}", crate::PROGRAM),
            },
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::CONNABORTED) => {}
            Err(error) => return Err(error).context("accept"),
        }
    }
}

fn start<'a>(connection: OwnedFd, shared: &'a Shared) -> Result<Worker<'a>> {
    Worker::start(Connection::new(connection), shared).context("cannot start a worker")
}
