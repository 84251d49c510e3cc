// SPDX-License-Identifier: GPL-2.0-only

//! `unshare-run --attach`.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::id;

use anyhow::Result;

use super::container::{ALL, Container};
use super::{FAILED, command, exits, output, prints};
use crate::check::ensure;
use crate::contexts::mount::folder;
use crate::harness::Suite;
use crate::machine::{OpenToAll, Setting};

/// A kind, and its link under /proc/PID.
const KINDS: [(&str, &str); 8] = [
    ("mount", "ns/mnt"),
    ("uts", "ns/uts"),
    ("ipc", "ns/ipc"),
    ("net", "ns/net"),
    ("pid", "ns/pid"),
    ("user", "ns/user"),
    ("cgroup", "ns/cgroup"),
    ("time", "ns/time"),
];

const ALICE: u32 = 1000;

pub(crate) fn suite() -> Suite {
    KINDS
        .into_iter()
        .fold(Suite::new("tool_attach"), |suite, (kind, link)| {
            suite.test(
                format!("unshare-run --attach PID:{kind}: the command is in that namespace and in no other of the target"),
                move || one_kind(kind, link),
            )
        })
        .test("unshare-run --attach PID: the command is in all namespaces that differ", all_kinds)
        .test(
            "unshare-run --attach PID --net: the command has its own network, and the container's other namespaces",
            both_halves,
        )
        .test(
            "unshare-run --attach PID --mount: the container does not see the command's mounts",
            private_mounts,
        )
        .test(
            "unshare-run --root, --wd, --wdns: the command has the directory that each names",
            directories,
        )
        .test(
            "unshare-run --attach PID:pid --no-fork: the command's children are in the namespace",
            no_fork,
        )
        .test("unshare-run --attach PID:user: the command is root in the namespace", credentials)
        .test(
            "unshare-run --attach --map-root-user: the command has a user namespace below the container's",
            nested_user,
        )
        .test("unshare-run --attach works with --close-from and --dry-run", mixed)
        .test(
            "unshare-run --attach names the refused kind and the reason",
            refused,
        )
}

/// Returns the command's links, in the order of KINDS.
fn links_of(line: &str) -> Result<Vec<String>> {
    let links = KINDS.map(|(_, link)| link).join(" ");
    let look = format!("for link in {links}; do readlink /proc/self/$link; done");
    let printed = output(&format!("{line} -- sh -c {look}"))?;
    let links: Vec<_> = printed.lines().map(str::to_owned).collect();
    ensure!(links.len() == KINDS.len(), "{printed}");
    Ok(links)
}

/// Checks that the command is in the container's namespaces of these kinds, and in the caller's
/// others.
fn is_in(container: &Container, line: &str, kinds: &[&str]) -> Result<()> {
    for ((kind, link), its) in KINDS.iter().zip(links_of(line)?) {
        let expected = match kinds.contains(kind) {
            true => container.link(link)?,
            false => fs::read_link(format!("/proc/self/{link}"))?
                .display()
                .to_string(),
        };
        ensure!(its == expected, "{kind}: {its}, not {expected}");
    }
    Ok(())
}

fn one_kind(kind: &str, link: &str) -> Result<()> {
    let container = Container::new(ALL)?;
    let ours = fs::read_link(format!("/proc/self/{link}"))?;
    ensure!(container.link(link)? != ours.display().to_string());
    let line = format!("unshare-run --attach {}:{kind}", container.pid);
    is_in(&container, &line, &[kind])
}

fn all_kinds() -> Result<()> {
    let container = Container::new(ALL)?;
    let line = format!("unshare-run --attach {}", container.pid);
    is_in(&container, &line, &KINDS.map(|(kind, _)| kind))?;
    // Namespaces that do not differ are no obstacle.
    let container = Container::new("--uts --net")?;
    let line = format!("unshare-run --attach {}", container.pid);
    is_in(&container, &line, &["uts", "net"])
}

fn both_halves() -> Result<()> {
    let container = Container::new(ALL)?;
    let links = links_of(&format!("unshare-run --attach {} --net", container.pid))?;
    for ((kind, link), its) in KINDS.into_iter().zip(links) {
        let ours = fs::read_link(format!("/proc/self/{link}"))?;
        ensure!(its != ours.display().to_string(), "{kind} is ours");
        ensure!((its == container.link(link)?) == (kind != "net"), "{kind}");
    }
    Ok(())
}

fn no_fork() -> Result<()> {
    let container = Container::new("--pid")?;
    let line = format!("unshare-run --attach {}:pid --no-fork", container.pid);
    let look = "readlink /proc/$$/ns/pid && readlink /proc/self/ns/pid";
    let printed = output(&format!("{line} -- sh -c {look}"))?;
    let ours = fs::read_link("/proc/self/ns/pid")?;
    let expected = format!("{}\n{}", ours.display(), container.link("ns/pid")?);
    ensure!(printed.trim_end() == expected, "{printed}");
    Ok(())
}

fn private_mounts() -> Result<()> {
    let container = Container::new("--mount")?;
    let mounts = format!("/proc/{}/mountinfo", container.pid);
    let before = fs::read_to_string(&mounts)?;
    let folder = folder("attach-run-mount")?;
    let line = format!("unshare-run --attach {} --mount", container.pid);
    let script = format!("mount -t tmpfs private {folder} && cat /proc/self/mountinfo");
    let its = output(&format!("{line} -- sh -c {script}"))?;
    ensure!(its.lines().count() == before.lines().count() + 1, "{its}");
    ensure!(fs::read_to_string(&mounts)? == before);
    Ok(())
}

fn directories() -> Result<()> {
    let root = folder("attach-run-root")?;
    fs::create_dir_all(format!("{root}/inside"))?;
    fs::copy("/bin/busybox", format!("{root}/busybox"))?;
    let container = Container::chrooted("--uts", &root, "/inside")?;
    let (pid, look) = (container.pid, "/busybox sh -c pwd; echo /*");
    for attach in [format!("{pid}:fs"), format!("{pid}:uts --root --wd")] {
        let line = format!("unshare-run --attach {attach} -- {look}");
        prints(&line, "/inside\n/busybox /inside\n")?;
    }
    prints(
        &format!("unshare-run --attach {pid}:uts --root -- {look}"),
        "/\n/busybox /inside\n",
    )?;
    let its_wd = format!("{root}/inside\n");
    prints(
        &format!("unshare-run --attach {pid}:uts --wd -- pwd"),
        &its_wd,
    )?;
    let named = format!("unshare-run --attach {pid}:uts --root={root}");
    prints(
        &format!("{named} --wdns /inside -- {look}"),
        "/inside\n/busybox /inside\n",
    )?;
    for option in ["--root", "--wd"] {
        let said = exits(command(&format!("unshare-run {option} -- {look}")), FAILED)?;
        ensure!(said.contains("--attach"), "{said}");
    }
    Ok(())
}

fn credentials() -> Result<()> {
    let _open = OpenToAll::new()?;
    let container = Container::of_user(ALICE, "--map-root-user")?;
    let line = format!("unshare-run --attach {}:user", container.pid);
    prints(&format!("{line} -- sh -c id -u; id -G"), "0\n0\n")?;
    // Root outside has no mapping inside.
    let preserve = format!("{line} --preserve-credentials -- id -u");
    prints(&preserve, "65534\n")?;

    // Alice cannot drop groups, neither outside nor inside, as with nsenter(1).
    let mut as_alice = command(&format!("{line} -- id -u"));
    as_alice.uid(ALICE).gid(ALICE);
    let said = exits(as_alice, FAILED)?;
    ensure!(said.contains("setgroups"), "{said}");
    let mut as_alice = command(&preserve);
    let its = as_alice.uid(ALICE).gid(ALICE).output()?;
    ensure!(its.stdout == b"0\n", "{its:?}");
    Ok(())
}

fn nested_user() -> Result<()> {
    let _open = OpenToAll::new()?;
    let container = Container::of_user(ALICE, "--map-root-user --net")?;
    let line = format!("unshare-run --attach {} --map-root-user", container.pid);
    let mut as_alice = command(&format!(
        "{line} -- sh -c cat /proc/self/uid_map; readlink /proc/self/ns/user; readlink /proc/self/ns/net"
    ));
    let its = as_alice.uid(ALICE).gid(ALICE).output()?;
    let printed = String::from_utf8(its.stdout)?;
    let words: Vec<_> = printed.split_whitespace().collect();
    // The caller is root there, in a namespace that belongs to Alice.
    let [inside, outside, count, user, net] = words[..] else {
        crate::check::bail!("{printed}: {}", String::from_utf8_lossy(&its.stderr));
    };
    ensure!([inside, outside, count] == ["0", "0", "1"], "{printed}");
    ensure!(user != container.link("ns/user")?, "{printed}");
    ensure!(net == container.link("ns/net")?, "{printed}");
    Ok(())
}

fn mixed() -> Result<()> {
    let container = Container::new("--uts --net")?;
    let line = format!("unshare-run --attach {}", container.pid);
    let list = "sh -c cd /proc/self/fd && echo *";
    let left = output(&format!("{line} --close-from 3 -- {list}"))?;
    ensure!(left.trim().split(' ').count() <= 4, "{left}");

    let printed = output(&format!("{line} --dry-run --ipc -- echo ran"))?;
    let expected = "would replace CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET\n";
    ensure!(printed == expected, "{printed}");
    Ok(())
}

fn refused() -> Result<()> {
    let container = Container::new("--uts --net")?;
    let says = |line: &str, words: &[&str]| {
        let said = exits(command(line), FAILED)?;
        let missing = words.iter().find(|word| !said.contains(**word));
        ensure!(missing.is_none(), "{missing:?}: {said}");
        Ok(())
    };
    let line = format!("unshare-run --attach {}:uts,user -- echo ran", id());
    says(&line, &["CLONE_NEWUSER", "Invalid argument", "already"])?;
    says(
        "unshare-run --attach 99999 -- echo ran",
        &["process 99999: No such process"],
    )?;

    let attach = format!("unshare-run --attach {}:uts", container.pid);
    let limit = Setting::sysctl("user/max_net_namespaces", "0")?;
    let words = ["CLONE_NEWNET", "No space left", "max_net_namespaces"];
    says(&format!("{attach} --net -- echo ran"), &words)?;
    drop(limit);

    let _open = OpenToAll::new()?;
    let mut as_alice = command(&format!("{attach} -- echo ran"));
    as_alice.uid(ALICE).gid(ALICE);
    let said = exits(as_alice, FAILED)?;
    ensure!(
        said.contains("request refused: Operation not permitted") && said.contains("ptrace"),
        "{said}"
    );
    Ok(())
}
