// SPDX-License-Identifier: GPL-2.0-only

//! A server whose workers share its memory and descriptors. While a worker serves a request, it
//! stops sharing what the request must not change for others.

mod answer;
mod client;
mod connection;
mod observed;
mod options;
mod request;
mod self_test;
mod server;
mod service;
mod shared;
mod worker;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use unshare_samples::finish;

use crate::options::Options;

const PROGRAM: &str = "request-server";

fn main() -> ExitCode {
    finish(PROGRAM, run(&Options::parse()))
}

fn run(options: &Options) -> Result<()> {
    if options.self_test {
        return self_test::run();
    }
    let socket = options.socket.as_deref().context("no socket was named")?;
    match &options.ask {
        Some(line) => {
            println!("{}", client::ask(socket, line)?);
            Ok(())
        }
        None => server::run(socket),
    }
}
