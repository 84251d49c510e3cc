// SPDX-License-Identifier: GPL-2.0-only

//! `scratch-copy`.

use std::fs;

use anyhow::{Context, Result};

use super::container::{ALL, Container};
use super::{FAILED, command, exits, output};
use crate::check::ensure;
use crate::contexts::mount::folder;
use crate::harness::Suite;

pub(crate) fn suite() -> Suite {
    Suite::new("tool_scratch_copy")
        .test(
            "scratch-copy: the container sees no mount and no file of the command's",
            || unseen("--mount", "/"),
        )
        .test(
            "scratch-copy: in a user namespace too, the container sees no mount and no file of the command's",
            || unseen(ALL, "/etc"),
        )
        .test("scratch-copy says which mounts are locked", locked)
        .test(
            "scratch-copy: submounts stay, and a named one gets a scratch copy too",
            volume,
        )
        .test(
            "scratch-copy: of a chrooted process, the copy is what that process sees",
            chrooted,
        )
        .test("scratch-copy exits with the command's status", exit_status)
}

/// The namespaces that a copy is asked about.
const LINKS: &str = "/proc/self/ns/mnt /proc/self/ns/user /proc/self/ns/pid";

fn unseen(options: &str, scratch: &str) -> Result<()> {
    let container = Container::new(options)?;
    let mounts = format!("/proc/{}/mountinfo", container.pid);
    let before = fs::read_to_string(&mounts)?;
    let script = format!(
        "echo changed >/etc/passwd && mkdir /etc/scratch && mount -t tmpfs none /etc/scratch && \
         echo here >/etc/scratch/file && rm /etc/group && cat /etc/passwd /etc/scratch/file && id -u && \
         for link in {LINKS}; do readlink $link; done"
    );
    let line = format!("scratch-copy --scratch {scratch} {}", container.pid);
    let printed = output(&format!("{line} -- sh -c {script}"))?;

    let rest = printed.strip_prefix("changed\nhere\n0\n");
    let links: Vec<_> = rest.context(printed.clone())?.lines().collect();
    let [mnt, user, pid] = links[..] else {
        crate::check::bail!("{printed}");
    };
    ensure!(mnt != container.link("ns/mnt")?, "the mounts are no copy");
    ensure!(user == container.link("ns/user")?, "{user}");
    ensure!(pid == container.link("ns/pid")?, "{pid}");

    ensure!(fs::read_to_string(&mounts)? == before, "a mount is seen");
    ensure!(!fs::exists("/etc/scratch")?, "a directory is seen");
    ensure!(fs::read_to_string("/etc/passwd")? != "changed\n");
    ensure!(fs::exists("/etc/group")?);
    Ok(())
}

fn locked() -> Result<()> {
    let container = Container::new("--mount --map-root-user")?;
    let said = exits(command(&format!("scratch-copy {}", container.pid)), FAILED)?;
    ensure!(
        said.contains("/: no scratch copy") && said.contains("locked"),
        "{said}"
    );
    Ok(())
}

fn volume() -> Result<()> {
    let volume = folder("scratch-volume")?;
    let container = Container::new("--mount")?;
    let pid = container.pid;
    output(&format!(
        "unshare-run --attach {pid}:mount -- sh -c mount -t tmpfs none {volume} && \
         echo old >{volume}/file"
    ))?;
    let file = format!("/proc/{pid}/root{volume}/file");

    let change = format!("cat {volume}/file && echo new >{volume}/file");
    let line = format!("scratch-copy --scratch / --scratch {volume} {pid} -- sh -c {change}");
    ensure!(output(&line)? == "old\n");
    ensure!(fs::read_to_string(&file)? == "old\n", "it was not spared");

    ensure!(output(&format!("scratch-copy {pid} -- sh -c {change}"))? == "old\n");
    ensure!(fs::read_to_string(&file)? == "new\n", "it was covered");
    Ok(())
}

fn chrooted() -> Result<()> {
    let root = folder("scratch-chroot")?;
    fs::create_dir_all(format!("{root}/inside"))?;
    fs::create_dir_all(format!("{root}/volume"))?;
    fs::copy("/bin/busybox", format!("{root}/busybox"))?;
    let container = Container::chrooted("--mount", &root, "/inside")?;
    let pid = container.pid;
    output(&format!(
        "unshare-run --attach {pid}:mount -- mount -t tmpfs none {root}/volume"
    ))?;
    let script = "cd /; echo *; echo changed >/inside/file; echo here >/volume/file; /busybox cat /inside/file";
    let printed = output(&format!("scratch-copy {pid} -- /busybox sh -c {script}"))?;
    ensure!(printed == "busybox inside volume\nchanged\n", "{printed}");
    ensure!(
        !fs::exists(format!("{root}/inside/file"))?,
        "the file is written"
    );
    // What is mounted in there stays as it is.
    ensure!(fs::exists(format!("/proc/{pid}/root/volume/file"))?);
    Ok(())
}

fn exit_status() -> Result<()> {
    let container = Container::new("--mount --pid --fork")?;
    let pid = container.pid;
    exits(command(&format!("scratch-copy {pid} -- sh -c exit 42")), 42)?;
    exits(command(&format!("scratch-copy {pid} -- /nonexistent")), 127)?;
    exits(command("scratch-copy --scratch etc 1"), FAILED)?;
    // One with the same mounts is no container.
    let said = exits(command("scratch-copy 1"), FAILED)?;
    ensure!(said.contains("process 1"), "{said}");
    Ok(())
}
