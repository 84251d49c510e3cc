// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's log, from a given moment on.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result};

use crate::check::ensure;

pub(crate) struct KernelLog(File);

impl KernelLog {
    /// Reads what is logged from now on.
    pub(crate) fn from_now() -> Result<Self> {
        let mut log = Self::from_boot()?;
        log.0.seek(SeekFrom::End(0))?;
        Ok(log)
    }

    /// Reads everything that the kernel has kept.
    pub(crate) fn from_boot() -> Result<Self> {
        let mut options = File::options();
        let options = options.read(true).custom_flags(libc::O_NONBLOCK);
        Ok(Self(options.open("/dev/kmsg").context("/dev/kmsg")?))
    }

    /// Returns the messages since the last call.
    pub(crate) fn lines(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        // One read returns one record: "priority,sequence,time,flags;message", then its properties.
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(len) => {
                    let text = String::from_utf8_lossy(&record[..len]);
                    let message = text.split_once(';').context("no kernel log record")?.1;
                    let line = message.lines().next().unwrap_or_default();
                    // CONFIG_DEBUG_STACK_USAGE logs this when any task ends.
                    if !line.contains("used greatest stack depth") {
                        lines.push(line.to_owned());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(lines),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Fails if something was logged.
    pub(crate) fn ensure_silent(&mut self) -> Result<()> {
        let lines = self.lines()?;
        ensure!(lines.is_empty(), "the kernel logged {lines:#?}");
        Ok(())
    }
}
