// SPDX-License-Identifier: GPL-2.0-only

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use rustix::process::Pid;

/// Forward connections of several containers to a server outside of them.
///
/// The proxy listens in the network of each container, and writes a line for each connection to a file of that
/// container. Nothing of it runs in a container: it holds their contexts by /dev/unshare, and a few threads go
/// wherever there is a socket or a file to open, and come back.
#[derive(Debug, Parser)]
#[command(name = crate::PROGRAM, version, after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The address on which to listen in each container
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,

    /// The server, as the proxy's own network has it
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) to: SocketAddr,

    /// The file in each container that gets a line for each connection
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/var/log/container-proxy.log"
    )]
    pub(crate) log: PathBuf,

    /// How many threads, and so how many connections at once
    #[arg(long, value_name = "N", default_value = "4", value_parser = at_least_one)]
    pub(crate) threads: usize,

    /// A process of each container
    #[arg(value_name = "PID", required = true, value_parser = pid)]
    pub(crate) containers: Vec<Pid>,
}

fn at_least_one(text: &str) -> Result<usize> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.context("that is no number above 0")
}

fn pid(text: &str) -> Result<Pid> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.and_then(Pid::from_raw).context("that is no PID")
}

const AFTER_HELP: &str = "\
A container that ends while the proxy runs keeps its network and its mounts until the proxy ends.

Example:
  container-proxy --listen 127.0.0.1:53 --to 192.0.2.1:53 --log /tmp/dns.log $PID1 $PID2

Exit status:
  1 if a container cannot be held, or its socket cannot be opened. 2 for a wrong option.

See also:
  unshare-device(4), setns(2)";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_options_are_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn numbers_below_one_are_refused() {
        let line = [
            "container-proxy",
            "--listen=127.0.0.1:1",
            "--to=127.0.0.1:2",
        ];
        let parse = |more: &[&str]| Options::try_parse_from(line.iter().chain(more));
        assert_eq!(parse(&["1", "2"]).unwrap().containers.len(), 2);
        for wrong in [&["0"][..], &["--threads=0", "1"], &[]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
