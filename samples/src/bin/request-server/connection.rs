// SPDX-License-Identifier: GPL-2.0-only

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::{Errno, Result};
use rustix::net::Shutdown;

/// How long a request's line can be. Paths in it are short enough for rustix, which below 256 bytes
/// does not allocate for them.
pub(crate) const LINE: usize = 255;

/// A connection as a worker has it: the server owns it, and closes it when the worker has ended.
///
/// The number is the same in the worker's own table, once it has one.
#[derive(Debug)]
pub(crate) struct Connection(OwnedFd);

impl Connection {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.0.as_raw_fd().unsigned_abs()
    }

    /// Reads a line, without its end. What is longer, or does not end, is `EINVAL`.
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

    /// Writes everything, and tells the client that this was all.
    pub(crate) fn finish(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let written = rustix::io::retry_on_intr(|| rustix::io::write(self.0.as_fd(), bytes))?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        rustix::net::shutdown(self.0.as_fd(), Shutdown::Both)
    }
}
