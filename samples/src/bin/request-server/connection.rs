// SPDX-License-Identifier: GPL-2.0-only

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::{Errno, Result};
use rustix::net::Shutdown;

/// The maximum length of a request's line. Its paths stay below 256 bytes, for which rustix does
/// not allocate.
pub(crate) const LINE: usize = 255;

/// A worker's view of its connection. The server owns the connection, and closes it after the
/// worker has ended.
///
/// The descriptor has the same number in the worker's own table.
#[derive(Debug)]
pub(crate) struct Connection(OwnedFd);

impl Connection {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// The number of the descriptor.
    pub(crate) fn number(&self) -> u32 {
        self.0.as_raw_fd().unsigned_abs()
    }

    /// Reads a line, without its end. A line that is too long or does not end is `EINVAL`.
    pub(crate) fn read_line<'line>(&self, line: &'line mut [u8; LINE]) -> Result<&'line str> {
        let mut length = 0;
        loop {
            let free = line.get_mut(length..).unwrap_or_default();
            let read = rustix::io::retry_on_intr(|| rustix::io::read(self.0.as_fd(), &mut *free))?;
            if read == 0 {
                return Err(Errno::INVAL);
            }
            length += read;
            if let Some(end) = line.iter().take(length).position(|byte| *byte == b'\n') {
                let line = line.get(..end).unwrap_or_default();
                return core::str::from_utf8(line).map_err(|_| Errno::INVAL);
            }
        }
    }

    /// Writes everything, and then shuts the connection down for writing, so that the client sees
    /// the end.
    pub(crate) fn finish(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let written = rustix::io::retry_on_intr(|| rustix::io::write(self.0.as_fd(), bytes))?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        rustix::net::shutdown(self.0.as_fd(), Shutdown::Both)
    }
}
