// SPDX-License-Identifier: GPL-2.0-only

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::client::{self, connect, receive, send};
use crate::observed::Observed;

/// The time limit until every observer sees that a worker has ended.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a server, sends it each kind of request, and compares it with its state before.
pub(crate) fn run() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("request-server.{}", std::process::id()));
    fs::create_dir(&directory).with_context(|| directory.display().to_string())?;
    let outcome = Server::start(&directory).and_then(|mut server| {
        server.requests()?;
        server.end()
    });
    fs::remove_dir_all(&directory)?;
    outcome?;
    println!(
        "\nThe server's directory, umask, descriptors, mounts, host name and memory are as before."
    );
    Ok(())
}

/// A server in a separate process, which ends when this value is dropped.
#[derive(Debug)]
struct Server {
    process: Child,
    socket: PathBuf,
    directory: PathBuf,
    before: Observed,
}

impl Server {
    fn start(directory: &Path) -> Result<Self> {
        let socket = directory.join("socket");
        let mut process = Command::new("/proc/self/exe").arg(&socket).spawn()?;
        let begin = Instant::now();
        while !socket.exists() {
            ensure!(process.try_wait()?.is_none(), "the server did not start");
            ensure!(begin.elapsed() < PATIENCE, "the server has no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self {
            before: Observed::of(process.id())?,
            process,
            socket,
            directory: directory.to_owned(),
        })
    }

    /// Sends each kind of request, and checks its effect.
    fn requests(&self) -> Result<()> {
        let directory = self.directory.display();
        let fresh = self.ask("stats")?;
        let document = self.document()?;

        // Shared memory: one worker sets what others read.
        self.expect("limit 5", "")?;
        self.expect(&format!("put {directory} 027 note hello, world"), "")?;
        self.expect(&format!("cat {directory} note"), "hello")?;
        let mode = fs::metadata(self.directory.join("note"))?
            .permissions()
            .mode();
        ensure!(mode & 0o777 == 0o640, "the file has mode {mode:o}");

        // Own memory: each time, it begins with the server's document.
        let sum = self.ask("scratch word")?;
        ensure!(sum != document, "the document was not worked in");
        self.expect("scratch word", &sum)?;
        self.same_time(&sum)?;
        let now = self.document()?;
        ensure!(now == document, "the document was {document}, and is {now}");

        self.expect("host elsewhere", "elsewhere")?;
        self.expect(&format!("tmp {directory} 12345"), "12345")?;
        ensure!(!self.directory.join("text").exists(), "the mount is seen");

        // Of all connections, a worker keeps only its own.
        let _others = [connect(&self.socket)?, connect(&self.socket)?];
        self.expect("files", "4")?;

        for line in ["cat /nowhere file", "dance"] {
            ensure!(self.ask(line).is_err(), "{line} was served");
        }
        println!("before: {fresh}\nafter:  {}", self.ask("stats")?);
        self.counts()
    }

    /// Eight workers at the same time, each in its own copy.
    fn same_time(&self, sum: &str) -> Result<()> {
        let clients: Result<Vec<_>> = (0..8).map(|_| connect(&self.socket)).collect();
        let mut clients = clients?;
        for client in &mut clients {
            send(client, "scratch word")?;
        }
        for client in &mut clients {
            let answer = receive(client)?;
            ensure!(answer == sum, "{answer}, not {sum}, of one worker of eight");
        }
        Ok(())
    }

    /// The sums that workers reported, including those with memory of their own.
    fn counts(&self) -> Result<()> {
        // From the requests above: 2 for each put and cat, 10 times 2 for scratch, 1 for host, 3
        // for tmp, 1 for files, and 2 for the cat whose directory is missing.
        let replaced = 2 + 2 + 20 + 1 + 3 + 1 + 2;
        let stats = self.ask("stats")?;
        let expected = format!(" failed 2 replaced {replaced} limit 5 ");
        ensure!(stats.contains(&expected), "{stats}, not{expected}");
        Ok(())
    }

    fn document(&self) -> Result<String> {
        let stats = self.ask("stats")?;
        let sum = stats.rsplit(' ').next();
        Ok(sum.context("no document")?.to_owned())
    }

    fn expect(&self, line: &str, expected: &str) -> Result<()> {
        let answer = self.ask(line)?;
        ensure!(answer == expected, "{line}: {answer:?}, not {expected:?}");
        println!("{}", format!("{line:<60}  {answer}").trim_end());
        Ok(())
    }

    fn ask(&self, line: &str) -> Result<String> {
        client::ask(&self.socket, line)
    }

    /// Checks that the server has not changed, and ends it.
    fn end(&mut self) -> Result<()> {
        let begin = Instant::now();
        loop {
            let now = Observed::of(self.process.id())?;
            if now == self.before {
                break;
            }
            if begin.elapsed() > PATIENCE {
                bail!("the server was {:#?}\nand is {now:#?}", self.before);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM)?;
        let status = self.process.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
