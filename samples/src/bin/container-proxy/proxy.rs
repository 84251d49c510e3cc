// SPDX-License-Identifier: GPL-2.0-only

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result};

use crate::container::Container;
use crate::options::Options;

/// What becomes of a connection.
#[derive(Debug)]
pub(crate) struct Proxy {
    to: SocketAddr,
    log: PathBuf,
}

impl Proxy {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            to: options.to,
            log: options.log.clone(),
        }
    }

    /// Forwards a connection of the container, and adds a line to the container's log.
    pub(crate) fn serve(&self, container: &Container, client: &TcpStream) -> Result<()> {
        // Before the client hangs up.
        let peer = client.peer_addr()?;
        // For each connection again: the container may have moved the file away.
        let mut log = container.append(&self.log)?;
        // In the proxy's own network.
        let server = TcpStream::connect(self.to).with_context(|| self.to.to_string())?;
        let (sent, received) = both_ways(client, &server)?;
        let line = format!("{peer} sent {sent} bytes and received {received}\n");
        log.write_all(line.as_bytes())
            .with_context(|| self.log.display().to_string())
    }
}

/// Copies until both sides have said all. Returns how many bytes each said.
fn both_ways(client: &TcpStream, server: &TcpStream) -> io::Result<(u64, u64)> {
    thread::scope(|scope| {
        let sent = scope.spawn(|| pump(client, server));
        let received = pump(server, client);
        let sent = sent.join().expect("copying does not panic");
        Ok((sent?, received?))
    })
}

fn pump(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<u64> {
    let copied = io::copy(&mut from, &mut to);
    // The reader there sees the end, also after an error.
    match to.shutdown(Shutdown::Write) {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => copied,
    }
}
