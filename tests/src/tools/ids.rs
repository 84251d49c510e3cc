// SPDX-License-Identifier: GPL-2.0-only

//! The options of `unshare-run` about ids: maps of user namespaces, owners and credentials.

use std::fs;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, mount};

use super::container::Container;
use super::{FAILED, command, exits, output, prints};
use crate::check::ensure;
use crate::contexts::mount::stage;
use crate::harness::Suite;
use crate::machine::OpenToAll;

const ALICE: u32 = 1000;

pub(crate) fn suite() -> Suite {
    Suite::new("tool_ids")
        .test("--map-user, --map-group, --map-current-user", own_ids)
        .test("--map-users and --map-groups map ranges, for root", ranges)
        .test(
            "--map-auto and --map-subids map subordinate ids",
            subordinate,
        )
        .test("--setgroups", setgroups)
        .test("--owner: the user namespace is that user's", owner)
        .test("--setuid, --setgid, and follow", credentials)
        .test(
            "--keep-caps: the command has them, whoever it runs as",
            keep_caps,
        )
}

/// What Alice's command prints.
fn as_alice(line: &str) -> Result<String> {
    let _open = OpenToAll::new()?;
    let mut command = command(line);
    let printed = command.uid(ALICE).gid(ALICE).output()?;
    let said = String::from_utf8_lossy(&printed.stderr);
    ensure!(
        printed.status.success(),
        "{line}: {}: {said}",
        printed.status
    );
    Ok(String::from_utf8(printed.stdout)?)
}

fn own_ids() -> Result<()> {
    let ids = "sh -c id -u; id -g";
    for (options, expected) in [
        ("--map-user=5 --map-group=6", "5\n6\n"),
        ("--map-user bob --map-group bob", "1001\n1001\n"),
        ("--map-current-user", "1000\n1000\n"),
        ("-Uc", "1000\n1000\n"),
        ("-r", "0\n0\n"),
    ] {
        let printed = as_alice(&format!("unshare-run {options} -- {ids}"))?;
        ensure!(printed == expected, "{options}: {printed}");
    }
    let said = exits(
        command("unshare-run --map-user=nobody-here -- true"),
        FAILED,
    )?;
    ensure!(said.contains("/etc/passwd: no entry nobody-here"), "{said}");
    Ok(())
}

/// The map that a command has, as words.
fn map(options: &str, kind: &str) -> Result<String> {
    let printed = output(&format!(
        "unshare-run {options} -- cat /proc/self/{kind}_map"
    ))?;
    let words: Vec<_> = printed.split_whitespace().collect();
    Ok(words.join(" "))
}

fn ranges() -> Result<()> {
    let options = "--map-users=0:100000:10 --map-users 10:200000:5 --map-groups=0:300000:7";
    ensure!(map(options, "uid")? == "0 100000 10 10 200000 5");
    ensure!(map(options, "gid")? == "0 300000 7");
    // The caller's own user is mapped once.
    let options = "--map-root-user --map-users=0:100000:10 --map-groups=0:100000:10";
    ensure!(map(options, "uid")? == "0 0 1 1 100001 9");
    let all = map("--map-users=all --map-groups=all", "uid")?;
    ensure!(all == "0 0 4294967295", "{all}");
    Ok(())
}

fn subordinate() -> Result<()> {
    stage()?;
    mount(c"tmpfs", "/etc", c"tmpfs", MountFlags::empty(), None)?;
    fs::write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")?;
    let missing = exits(command("unshare-run --map-auto -- true"), FAILED)?;
    ensure!(missing.contains("/etc/subuid"), "{missing}");
    fs::write("/etc/subuid", "alice:1:1\nroot:100000:65536\n0:300000:10\n")?;
    fs::write("/etc/subgid", "root:200000:65536\n")?;
    ensure!(map("--map-auto", "uid")? == "0 100000 65536");
    ensure!(map("--map-auto", "gid")? == "0 200000 65536");
    ensure!(map("--map-auto -r", "uid")? == "0 0 1 1 100001 65535");
    let subids = map("--map-subids", "uid")?;
    ensure!(subids == "100000 100000 65536 300000 300000 10", "{subids}");
    // Without privilege, it is newuidmap's to write.
    let _open = OpenToAll::new()?;
    let mut as_alice = command("unshare-run --map-users=0:1:1 -- true");
    as_alice.uid(ALICE).gid(ALICE);
    let said = exits(as_alice, FAILED)?;
    ensure!(said.contains("newuidmap(1) does not run"), "{said}");
    Ok(())
}

fn setgroups() -> Result<()> {
    let look = "cat /proc/self/setgroups";
    let printed = as_alice(&format!("unshare-run -U --setgroups deny -- {look}"))?;
    ensure!(printed == "deny\n", "{printed}");
    ensure!(as_alice(&format!("unshare-run -r -- {look}"))? == "deny\n");
    let options = "--map-users=0:0:1 --map-groups=0:0:1";
    prints(&format!("unshare-run {options} -- {look}"), "allow\n")?;
    let said = exits(command("unshare-run -r --setgroups=allow -- true"), FAILED)?;
    ensure!(said.contains("--setgroups=allow"), "{said}");
    Ok(())
}

fn owner() -> Result<()> {
    let options = format!("--owner={ALICE}:{ALICE} --map-users=0:100000:9 --map-groups=0:100000:9");
    let line = format!(
        "unshare-run {options} -S 0 -G 0 -- sh -c read pid rest </proc/self/stat; echo $pid; exec sleep 1000"
    );
    let container = Container::of_line(&line)?;
    let _open = OpenToAll::new()?;
    let enter = format!(
        "unshare-run --attach {}:user --preserve-credentials -- true",
        container.pid
    );
    // Its owner has every capability in there; another user has none.
    let mut alice = command(&enter);
    alice.uid(ALICE).gid(ALICE);
    exits(alice, 0)?;
    let mut bob = command(&enter);
    bob.uid(1001).gid(1001);
    exits(bob, FAILED).map(drop)
}

fn credentials() -> Result<()> {
    let ids = "sh -c id -u; id -G";
    prints(
        &format!("unshare-run --uts -S 1000 -G 1001 -- {ids}"),
        "1000\n1001\n",
    )?;
    let _open = OpenToAll::new()?;
    let container = Container::of_user(ALICE, "--map-root-user --net")?;
    let line = format!(
        "unshare-run --target={}:net --setuid=follow --setgid=follow",
        container.pid
    );
    prints(&format!("{line} -- {ids}"), "1000\n1000\n")?;
    let said = exits(command("unshare-run --uts -S follow -- true"), FAILED)?;
    ensure!(said.contains("--attach"), "{said}");
    Ok(())
}

fn keep_caps() -> Result<()> {
    let effective = |options: &str| -> Result<u64> {
        let status = as_alice(&format!("unshare-run {options} -- cat /proc/self/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:\t"));
        Ok(u64::from_str_radix(line.context("no CapEff")?, 16)?)
    };
    ensure!(effective("--map-current-user")? == 0);
    ensure!(effective("--map-current-user --keep-caps")? != 0);
    Ok(())
}
