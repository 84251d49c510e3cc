// SPDX-License-Identifier: GPL-2.0-only

//! The C programs of `samples/`, which are the examples of the README, the manual and `docs/`.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::check::ensure;
use crate::contexts::mount::folder;
use crate::harness::Suite;
use crate::machine::OpenToAll;
use crate::tools::container::Container;
use crate::tools::{command, exits, output};

pub(crate) fn suite() -> Suite {
    Suite::new("c_samples")
        .test(
            "attach: the shell is in the container's network, and the container does not see its mounts",
            attach,
        )
        .test(
            "attach: a refused request and a missing process are reported, and nothing runs",
            attach_refused,
        )
        .test(
            "thread-fork: the thread survives a refused request and ends after a granted one",
            thread_fork,
        )
        .test(
            "worker: the parent sees what the worker wrote before the copy only",
            worker,
        )
        .test(
            "held-socket: the socket is in the container's network, and the thread that made it is not",
            held_socket,
        )
        .test(
            "held-filter: the program enters and leaves after it has given up requests of any size",
            held_filter,
        )
}

fn attach() -> Result<()> {
    let container = Container::new("--mount --net")?;
    let script = folder("c-attach")? + "/script";
    let look = "readlink /proc/self/ns/net; readlink /proc/self/ns/mnt; mount -t tmpfs c-attach /mnt; \
                grep c-attach /proc/self/mounts";
    fs::write(&script, format!("{look}\n"))?;
    let mut shell = command(&format!("attach {}", container.pid));
    let printed = shell.stdin(File::open(&script)?).output()?;
    let printed = String::from_utf8(printed.stdout)?;
    let [net, mnt, mount] = printed.lines().collect::<Vec<_>>()[..] else {
        crate::check::bail!("the shell printed {printed:?}");
    };
    ensure!(net == container.link("ns/net")?, "its network: {net}");
    ensure!(mnt != container.link("ns/mnt")?, "the mounts are shared");
    ensure!(mount.starts_with("c-attach /mnt tmpfs"), "{mount}");
    for pid in ["self".to_owned(), container.pid.to_string()] {
        let mounts = fs::read_to_string(format!("/proc/{pid}/mounts"))?;
        ensure!(!mounts.contains("c-attach"), "{pid} sees the mount");
    }
    Ok(())
}

fn attach_refused() -> Result<()> {
    let said = exits(command("attach 4194304"), 1)?;
    ensure!(said.contains("process 4194304: "), "{said}");
    exits(command("attach"), 2)?;

    let _open = OpenToAll::new()?;
    let container = Container::new("--mount --net")?;
    let mut as_alice = command(&format!("attach {}", container.pid));
    as_alice.uid(1000).gid(1000);
    let said = exits(as_alice, 1)?;
    ensure!(said.contains("nothing has changed"), "{said}");
    ensure!(said.contains("Operation not permitted"), "{said}");
    Ok(())
}

fn thread_fork() -> Result<()> {
    let printed = output("thread-fork")?;
    let lines: Vec<_> = printed.lines().collect();
    ensure!(
        lines.first() == Some(&"the thread goes on: Invalid argument"),
        "{printed}"
    );
    ensure!(lines.contains(&"the thread has ended"), "{printed}");
    let child = lines
        .iter()
        .find_map(|line| line.strip_prefix("the child is alone in its thread group: yes, in "))
        .with_context(|| printed.clone())?;
    let ours = fs::read_link("/proc/self/ns/uts")?.display().to_string();
    ensure!(child.starts_with("uts:") && child != ours, "{printed}");
    Ok(())
}

fn worker() -> Result<()> {
    let printed = output("worker")?;
    ensure!(printed == "the parent reads 1\n", "{printed}");
    Ok(())
}

fn held_socket() -> Result<()> {
    let container = Container::new("--net")?;
    let printed = output(&format!("held-socket {}", container.pid))?;
    let theirs = container.link("ns/net")?;
    let ours = fs::read_link("/proc/self/ns/net")?.display().to_string();
    ensure!(theirs != ours, "the container has no network of its own");
    let expected = format!("socket: {theirs}\nthread: {ours}\n");
    ensure!(printed == expected, "{printed} instead of {expected}");

    let said = exits(command("held-socket 4194304"), 1)?;
    ensure!(said.contains("process 4194304: "), "{said}");
    exits(command("held-socket"), 2)?;
    Ok(())
}

fn held_filter() -> Result<()> {
    let printed = output("held-filter")?;
    let denied = "Operation not permitted";
    let expected =
        format!("enter: allowed\nleave: allowed\nrequest: {denied}\nlonger request: {denied}\n");
    ensure!(printed == expected, "{printed}");
    Ok(())
}
