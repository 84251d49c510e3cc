// SPDX-License-Identifier: GPL-2.0-only

//! `container-proxy`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result};

use crate::check::ensure;
use crate::contexts::mount::folder;
use crate::tools::container::Container;
use crate::tools::{output, prints};

const ADDRESS: &str = "127.0.0.1:4000";

pub(super) fn connections_and_logs() -> Result<()> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let to = server.local_addr()?;
    thread::spawn(move || serve(&server));

    let folder = folder("container-proxy")?;
    let containers = [container(&folder)?, container(&folder)?];
    let log = format!("{folder}/log");
    let proxy = Proxy::start(&to.to_string(), &log, &containers)?;

    for round in 1..=3 {
        for (number, container) in containers.iter().enumerate() {
            let question = format!("{number}.{round}");
            let ask = format!("echo {question} | nc {}", ADDRESS.replace(':', " "));
            let line = format!("unshare-run --attach {}:net -- sh -c {ask}", container.pid);
            prints(&line, &format!("answer to {question}\n"))?;
            proxy.is_outside()?;
        }
    }
    for container in &containers {
        // The proxy writes the line when the client has its answer.
        let path = format!("/proc/{}/root{log}", container.pid);
        let lines = || -> Result<usize> { Ok(fs::read_to_string(&path)?.lines().count()) };
        while lines()? < 3 {
            thread::yield_now();
        }
        ensure!(lines()? == 3, "{}", fs::read_to_string(&path)?);
    }
    ensure!(!fs::exists(&log)?, "a log is outside");
    proxy.is_outside()
}

/// Answers questions, one a connection.
fn serve(server: &TcpListener) -> Result<()> {
    loop {
        let (mut client, _) = server.accept()?;
        let mut question = String::new();
        BufReader::new(&client).read_line(&mut question)?;
        client.write_all(format!("answer to {question}").as_bytes())?;
    }
}

/// Has a network with a loopback device, and a file system of its own in `folder`.
fn container(folder: &str) -> Result<Container> {
    let container = Container::new("--mount --net")?;
    let script = format!("ip link set lo up && mount -t tmpfs none {folder}");
    let pid = container.pid;
    output(&format!(
        "unshare-run --attach {pid}:net,mount -- sh -c {script}"
    ))?;
    Ok(container)
}

/// Killed when dropped.
struct Proxy(Child);

impl Proxy {
    fn start(to: &str, log: &str, containers: &[Container]) -> Result<Self> {
        let mut command = Command::new("container-proxy");
        command.args(["--listen", ADDRESS, "--to", to, "--log", log]);
        for container in containers {
            command.arg(container.pid.to_string());
        }
        let mut proxy = Self(command.stdout(Stdio::piped()).spawn()?);
        let stdout = proxy.0.stdout.take().context("no output")?;
        let listening = BufReader::new(stdout).lines().take(containers.len());
        let listening = listening.collect::<Result<Vec<_>, _>>()?;
        ensure!(listening.len() == containers.len(), "{listening:?}");
        Ok(proxy)
    }

    /// Each of its threads is where it was started.
    fn is_outside(&self) -> Result<()> {
        for name in ["ns/net", "ns/mnt", "root", "cwd"] {
            let ours = fs::read_link(format!("/proc/self/{name}"))?;
            let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id()))?;
            let paths: Vec<_> = tasks
                .map(|task| Ok(task?.path().join(name)))
                .collect::<Result<_>>()?;
            // A thread that copied may have ended since.
            let links: Vec<_> = paths.iter().flat_map(fs::read_link).collect();
            ensure!(links.len() > 4, "{name}: {} threads", links.len());
            ensure!(links.iter().all(|link| *link == ours), "{name}: {links:?}");
        }
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
