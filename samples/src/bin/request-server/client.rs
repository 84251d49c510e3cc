// SPDX-License-Identifier: GPL-2.0-only

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Makes a request, and returns the answer without its `ok`.
pub(crate) fn ask(socket: &Path, line: &str) -> Result<String> {
    let mut client = connect(socket)?;
    send(&mut client, line)?;
    receive(&mut client).with_context(|| line.to_owned())
}

pub(crate) fn connect(socket: &Path) -> Result<UnixStream> {
    UnixStream::connect(socket).with_context(|| socket.display().to_string())
}

pub(crate) fn send(client: &mut UnixStream, line: &str) -> io::Result<()> {
    client.write_all(format!("{line}\n").as_bytes())
}

/// Reads the answer to a request that was sent.
pub(crate) fn receive(client: &mut UnixStream) -> Result<String> {
    let mut answer = Vec::new();
    client.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let answer = answer.trim_end_matches('\n');
    if let Some(words) = answer.strip_prefix("ok ") {
        return Ok(words.to_owned());
    }
    let mut words = answer.split(' ').skip(1);
    let context = words.next().filter(|word| *word != "-");
    let error = match words.next().map(str::parse) {
        Some(Ok(errno)) => io::Error::from_raw_os_error(errno),
        _ => bail!("the server went away without an answer"),
    };
    match context {
        Some(context) => bail!("{context}: {error}"),
        None => bail!(error),
    }
}
