// SPDX-License-Identifier: GPL-2.0-only

//! The distribution's own unshare(1), nsenter(1), lsns(8), findmnt(8) and `ip netns` beside ours, on
//! the same namespaces.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use anyhow::{Context, Result};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use serde_json::Value;

use super::container::Container;
use super::{command, output, prints};
use crate::check::ensure;
use crate::contexts::mount::folder;
use crate::harness::Suite;

/// The kinds, as lsns(8) calls them, and their links.
const KINDS: [(&str, &str); 8] = [
    ("mnt", "ns/mnt"),
    ("uts", "ns/uts"),
    ("ipc", "ns/ipc"),
    ("net", "ns/net"),
    ("pid", "ns/pid"),
    ("user", "ns/user"),
    ("cgroup", "ns/cgroup"),
    ("time", "ns/time"),
];

/// Has all of its own. The same options are unshare(1)'s.
const ALL: &str = "--mount --uts --ipc --net --cgroup --time --map-root-user --pid --fork";

pub(crate) fn suite() -> Suite {
    Suite::new("tool_util_linux")
        .test("nsenter enters what unshare-run made", || {
            enters("unshare-run", "/usr/bin/nsenter --target PID --all --")
        })
        .test("unshare-run --attach enters what unshare made", || {
            enters("/usr/bin/unshare", "unshare-run --attach PID --")
        })
        .test(
            "unshare-run --target --all enters what unshare-run made, by nsenter's options",
            || enters("unshare-run", "unshare-run --target PID --all --"),
        )
        .test("lsns lists what unshare-run made, with its process", listed)
        .test(
            "nsenter enters by the files of unshare-run, and unshare-run's process is there",
            || files("unshare-run", "/usr/bin/nsenter"),
        )
        .test(
            "findmnt shows the files of unshare-run as it shows those of unshare",
            shown,
        )
        .test(
            "ip netns knows a network that unshare-run keeps, and unshare-run one of ip netns",
            netns,
        )
        .test(
            "an id map of unshare-run is that of unshare with the same options",
            maps,
        )
        .needs("/usr/bin/lsns")
}

/// A process whose namespaces `program` made.
fn container(program: &str) -> Result<Container> {
    Container::of_line(&format!(
        "{program} {ALL} -- sh -c read pid rest </proc/self/stat; echo $pid; exec sleep 1000"
    ))
}

fn enters(maker: &str, line: &str) -> Result<()> {
    let container = container(maker)?;
    let links = KINDS
        .map(|(_, link)| format!("/proc/self/{link}"))
        .join(" ");
    let line = line.replace("PID", &container.pid.to_string());
    let script = format!("for link in {links}; do readlink $link; done");
    // The container's /proc shows the processes of the host.
    let printed = output(&format!(
        "{line} sh -c mount -t proc proc /proc && {script}"
    ))?;
    for ((kind, link), its) in KINDS.into_iter().zip(printed.lines()) {
        ensure!(container.link(link)? == its, "{kind}: {its}");
    }
    ensure!(printed.lines().count() == KINDS.len(), "{printed}");
    Ok(())
}

fn listed() -> Result<()> {
    let container = container("unshare-run")?;
    let status = fs::read_to_string(format!("/proc/{}/status", container.pid))?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t"));
    let supervisor: i64 = parent.context("no parent")?.parse()?;
    let printed = output("/usr/bin/lsns --json --output NS,TYPE,PID")?;
    let list: Value = serde_json::from_str(&printed)?;
    let list = list["namespaces"].as_array().context("no namespaces")?;
    for (kind, link) in KINDS {
        let link = container.link(link)?;
        let is_it = |entry: &&Value| format!("{kind}:[{}]", entry["ns"]) == link;
        let found = list.iter().find(is_it);
        let found = found.with_context(|| format!("{link}: {printed}"))?;
        ensure!(found["type"] == kind, "{link}: {found}");
        // lsns names the first process that it finds: the container's, or the one that waits for it.
        let pid = found["pid"].as_i64().context("no pid")?;
        ensure!(
            [i64::from(container.pid), supervisor].contains(&pid),
            "{link}: {found}"
        );
    }
    Ok(())
}

/// A folder with a file for each kind, on a mount of its own. They go when this is dropped.
struct Files(String);

impl Files {
    fn new(name: &str) -> Result<Self> {
        let folder = folder(name)?;
        mount(c"tmpfs", &folder, c"tmpfs", MountFlags::empty(), None)?;
        mount_change(&folder, MountPropagationFlags::PRIVATE)?;
        for kind in ["uts", "ipc", "net"] {
            File::create(format!("{folder}/{kind}"))?;
        }
        Ok(Self(folder))
    }

    /// The options that keep namespaces in the files, or enter those.
    fn options(&self) -> String {
        let option = |kind| format!("--{kind}={}/{kind}", self.0);
        ["uts", "ipc", "net"].map(option).join(" ")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for kind in ["uts", "ipc", "net"] {
            let _ = unmount(format!("{}/{kind}", self.0), UnmountFlags::empty());
        }
        let _ = unmount(&self.0, UnmountFlags::empty());
    }
}

fn files(maker: &str, enterer: &str) -> Result<()> {
    let kept = Files::new("util-linux-files")?;
    let options = kept.options();
    let links = "for kind in uts ipc net; do readlink /proc/self/ns/$kind; done";
    let made = output(&format!("{maker} {options} -- sh -c {links}"))?;
    let entered = output(&format!("{enterer} {options} -- sh -c {links}"))?;
    ensure!(
        made == entered && made.lines().count() == 3,
        "{made}{entered}"
    );
    Ok(())
}

fn shown() -> Result<()> {
    let list = |maker: &str| -> Result<String> {
        let kept = Files::new("util-linux-findmnt")?;
        output(&format!("{maker} {} -- true", kept.options()))?;
        let line = "/usr/bin/findmnt --raw --noheadings --submounts";
        let columns = "TARGET,FSTYPE,PROPAGATION";
        let printed = output(&format!("{line} --output {columns} {}", kept.0))?;
        let mut mounts: Vec<_> = printed.lines().map(str::to_owned).collect();
        // In the order in which they were made, which is each program's own.
        mounts.sort_unstable();
        Ok(mounts.join("\n"))
    };
    let (ours, its) = (list("unshare-run")?, list("/usr/bin/unshare")?);
    ensure!(
        ours == its && ours.matches(" nsfs ").count() == 3,
        "{ours}{its}"
    );
    Ok(())
}

fn netns() -> Result<()> {
    let ip = "/usr/bin/ip";
    output(&format!("{ip} netns add tests-theirs"))?;
    let link = "readlink /proc/self/ns/net";
    let by_ip = output(&format!("{ip} netns exec tests-theirs {link}"))?;
    // A process that ip netns started is one to attach to.
    let mut holder = command(&format!("{ip} netns exec tests-theirs sleep 1000"));
    let mut holder = holder.stdout(Stdio::null()).spawn()?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    let by_us = output(&format!(
        "unshare-run --attach {}:net -- {link}",
        holder.id()
    ))?;
    holder.kill()?;
    holder.wait()?;
    output(&format!("{ip} netns delete tests-theirs"))?;
    ensure!(by_ip == by_us, "{by_ip}{by_us}");

    // ip netns looks into one folder.
    File::create("/run/netns/tests-ours")?;
    let made = output(&format!(
        "unshare-run --net=/run/netns/tests-ours -- {link}"
    ))?;
    let listed = output(&format!("{ip} netns list"))?;
    let entered = output(&format!("{ip} netns exec tests-ours {link}"))?;
    let inode = fs::metadata("/run/netns/tests-ours")?.ino();
    output(&format!("{ip} netns delete tests-ours"))?;
    ensure!(
        listed.lines().any(|line| line.starts_with("tests-ours")),
        "{listed}"
    );
    ensure!(
        made == entered && made.contains(&inode.to_string()),
        "{made}{entered}"
    );
    // What ip netns add has mounted.
    unmount("/run/netns", UnmountFlags::DETACH)?;
    Ok(())
}

fn maps() -> Result<()> {
    for options in [
        "-r",
        "-c",
        "--map-user=7 --map-group=8",
        "-U --setgroups deny",
        "-r -S 0 --keep-caps",
    ] {
        let script = "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id; grep Cap /proc/self/status";
        let its = command(&format!("/usr/bin/unshare {options} -- sh -c {script}")).output()?;
        if its.status.success() {
            let its = String::from_utf8(its.stdout)?;
            prints(&format!("unshare-run {options} -- sh -c {script}"), &its)?;
        } else {
            let ours = command(&format!("unshare-run {options} -- sh -c {script}")).output()?;
            ensure!(!ours.status.success(), "{options}: {ours:?}");
        }
    }
    Ok(())
}
