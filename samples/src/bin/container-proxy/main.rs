// SPDX-License-Identifier: GPL-2.0-only

//! A proxy for several containers: its threads go into each to open sockets and files there, and come back.

mod container;
mod options;
mod pool;
mod proxy;

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::{Context, Result};
use clap::Parser;
use unshare_samples::{finish, open_device};

use crate::container::Container;
use crate::options::Options;
use crate::pool::Pool;
use crate::proxy::Proxy;

const PROGRAM: &str = "container-proxy";

fn main() -> ExitCode {
    finish(PROGRAM, run(&Options::parse()))
}

fn run(options: &Options) -> Result<()> {
    let device = open_device()?;
    let pool = Arc::new(Pool::start(options.threads)?);
    let proxy = Arc::new(Proxy::new(options));

    let (opened, listeners) = mpsc::channel();
    for pid in &options.containers {
        let container = Arc::new(Container::hold(&device, *pid)?);
        let (opened, address) = (opened.clone(), options.listen);
        pool.run(move || {
            let listener = container.listen(address);
            // The receiver is there until it has what all jobs send.
            let _ = opened.send((container, listener));
        });
    }
    drop(opened);

    let mut accepting = Vec::new();
    for (container, listener) in listeners {
        let listener = listener.with_context(|| container.to_string())?;
        println!("{container}: listening on {}", options.listen);
        let (pool, proxy) = (Arc::clone(&pool), Arc::clone(&proxy));
        accepting.push(thread::spawn(move || {
            accept(&listener, &container, &pool, &proxy)
        }));
    }
    for thread in accepting {
        thread.join().expect("accepting does not panic")?;
    }
    Ok(())
}

/// Has the threads of the pool serve each connection of a container.
fn accept(
    listener: &TcpListener,
    container: &Arc<Container>,
    pool: &Pool,
    proxy: &Arc<Proxy>,
) -> Result<()> {
    loop {
        let (client, _) = listener.accept().with_context(|| container.to_string())?;
        let (container, proxy) = (Arc::clone(container), Arc::clone(proxy));
        pool.run(move || {
            if let Err(error) = proxy.serve(&container, &client) {
                eprintln!("{PROGRAM}: {container}: {error:#}");
            }
        });
    }
}
