// SPDX-License-Identifier: GPL-2.0-only

//! The options that `unshare-run` has from unshare(1) and nsenter(1), and what it says of itself.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use serde_json::Value;

use super::container::Container;
use super::{FAILED, command, exits, output, prints};
use crate::check::ensure;
use crate::contexts::mount::{folder, stage};
use crate::harness::Suite;
use crate::machine::{OpenToAll, Setting};

const ALICE: u32 = 1000;

pub(crate) fn suite() -> Suite {
    Suite::new("tool_options")
        .test("--monotonic and --boottime set the clocks", clocks)
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
        .test("--net=FILE and the like keep namespaces", kept)
        .test("--root=DIR and --wd=DIR without another task", directories)
        .test("--env and --join-cgroup take them from the task", of_task)
        .test("--mount-binfmt and --load-interp", binfmt)
        .test(
            "--json: the query, a dry run and a refusal can be parsed",
            json,
        )
        .test(
            "--completions, --help and --version go to standard output",
            said,
        )
}

fn clocks() -> Result<()> {
    let uptime = output("unshare-run --boottime=1000000 -- cat /proc/uptime")?;
    let seconds: f64 = uptime.split(' ').next().unwrap_or_default().parse()?;
    ensure!(seconds >= 1_000_000.0, "{uptime}");
    let line = "unshare-run --monotonic 77 --boottime -5 --fork -- cat /proc/self/timens_offsets";
    let offsets = output(line)?;
    let words: Vec<_> = offsets.split_whitespace().collect();
    ensure!(
        words == ["monotonic", "77", "0", "boottime", "-5", "0"],
        "{offsets}"
    );
    Ok(())
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

fn kept() -> Result<()> {
    let folder = folder("kept")?;
    mount(c"tmpfs", &folder, c"tmpfs", MountFlags::empty(), None)?;
    mount_change(&folder, MountPropagationFlags::PRIVATE)?;
    let kinds = [
        ("mount", "mnt"),
        ("uts", "uts"),
        ("ipc", "ipc"),
        ("net", "net"),
        ("user", "user"),
        ("cgroup", "cgroup"),
        ("pid", "pid"),
        ("time", "time"),
    ];
    let mut options = String::new();
    for (kind, _) in kinds {
        File::create(format!("{folder}/{kind}"))?;
        options += &format!(" --{kind}={folder}/{kind}");
    }
    let links = kinds
        .map(|(_, link)| format!("/proc/self/ns/{link}"))
        .join(" ");
    let line = format!("unshare-run {options} --fork -r -- sh -c stat -L -c %i {links}");
    let printed = output(&line)?;
    let inodes =
        kinds.map(|(kind, _)| fs::metadata(format!("{folder}/{kind}")).map(|file| file.ino()));
    for (inode, its) in inodes.into_iter().zip(printed.lines()) {
        ensure!(inode?.to_string() == its, "{printed}");
    }
    for (kind, _) in kinds {
        rustix::mount::unmount(
            format!("{folder}/{kind}"),
            rustix::mount::UnmountFlags::empty(),
        )?;
    }
    rustix::mount::unmount(&folder, rustix::mount::UnmountFlags::empty())?;
    ensure!(printed.lines().count() == kinds.len(), "{printed}");

    let said = exits(command("unshare-run --net=/nonexistent -- true"), FAILED)?;
    ensure!(said.contains("/nonexistent: cannot keep"), "{said}");
    let said = exits(command("unshare-run --pid=/tmp -- true"), FAILED)?;
    ensure!(said.contains("--fork"), "{said}");
    Ok(())
}

fn directories() -> Result<()> {
    let root = folder("option-root")?;
    fs::create_dir_all(format!("{root}/inside"))?;
    fs::copy("/bin/busybox", format!("{root}/busybox"))?;
    let look = "/busybox sh -c pwd; echo /*";
    for (options, expected) in [
        (format!("--root={root}"), "/\n/busybox /inside\n"),
        (
            format!("-R {root} -w /inside"),
            "/inside\n/busybox /inside\n",
        ),
        (
            format!("--root={root} --wdns=/inside"),
            "/inside\n/busybox /inside\n",
        ),
    ] {
        prints(
            &format!("unshare-run --mount {options} -- {look}"),
            expected,
        )?;
    }
    prints("unshare-run --uts --wd=/usr/bin -- pwd", "/usr/bin\n")
}

fn of_task() -> Result<()> {
    let group = "/sys/fs/cgroup/unshare-tests-task";
    fs::create_dir_all(group)?;
    let container = Container::new("--uts")?;
    fs::write(format!("{group}/cgroup.procs"), container.pid.to_string())?;
    let line = format!("unshare-run --attach {}:uts", container.pid);
    let joined = output(&format!("{line} --join-cgroup -- cat /proc/self/cgroup"))?;
    drop(container);
    fs::remove_dir(group)?;
    ensure!(joined.contains("0::/unshare-tests-task"), "{joined}");

    let mut started = command(
        "unshare-run --uts -- sh -c read pid rest </proc/self/stat; echo $pid; exec sleep 1000",
    );
    started.env("FROM_TASK", "a b");
    let container = Container::start(started)?;
    let line = format!("unshare-run --attach {}:uts", container.pid);
    let script = "sh -c echo \"$FROM_TASK\"";
    prints(&format!("{line} --env -- {script}"), "a b\n")?;
    prints(&format!("{line} -- {script}"), "\n")
}

fn binfmt() -> Result<()> {
    if !fs::read_to_string("/proc/filesystems")?.contains("binfmt_misc") {
        return crate::child::skip("this kernel has no binfmt_misc");
    }
    let folder = folder("binfmt")?;
    fs::write(format!("{folder}/script.tests"), "unshare-tests")?;
    fs::set_permissions(
        format!("{folder}/script.tests"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    let line = "unshare-run -r --load-interp :tests:E::tests::/bin/echo:";
    prints(
        &format!("{line} -- {folder}/script.tests"),
        &format!("{folder}/script.tests\n"),
    )
}

fn json() -> Result<()> {
    let query: Value = serde_json::from_str(&output("unshare-run --query --json")?)?;
    let contexts = query["contexts"].as_array().context("no contexts")?;
    let net = contexts
        .iter()
        .find(|context| context["name"] == "CLONE_NEWNET");
    let net = net.context("no CLONE_NEWNET")?;
    ensure!(
        net["accepted"] == true && net["shared"] == true && net["option"] == "--net",
        "{net}"
    );

    let dry: Value = serde_json::from_str(&output("unshare-run --dry-run --json --uts")?)?;
    ensure!(
        dry["replaced"] == serde_json::json!(["CLONE_NEWUTS"]),
        "{dry}"
    );

    let _limit = Setting::sysctl("user/max_net_namespaces", "0")?;
    let refused = command("unshare-run --dry-run --json --net").output()?;
    ensure!(refused.status.code() == Some(FAILED), "{refused:?}");
    let refused: Value = serde_json::from_slice(&refused.stdout)?;
    let refused = &refused["refused"];
    ensure!(
        refused["context"] == "CLONE_NEWNET" && refused["errno"] == libc::ENOSPC,
        "{refused}"
    );
    let advice = refused["advice"].as_str().unwrap_or_default();
    ensure!(advice.contains("user.max_net_namespaces"), "{refused}");
    exits(command("unshare-run --json --net -- true"), FAILED).map(drop)
}

fn said() -> Result<()> {
    for program in ["unshare-run", "scratch-copy"] {
        for (option, words) in [
            ("--help", "Usage:"),
            ("--version", program),
            ("--completions=bash", "complete -F"),
            ("--completions=zsh", "#compdef"),
            ("--completions=fish", "complete -c"),
        ] {
            let printed = command(&format!("{program} {option}")).output()?;
            ensure!(
                printed.status.success() && printed.stderr.is_empty(),
                "{printed:?}"
            );
            let printed = String::from_utf8(printed.stdout)?;
            ensure!(printed.contains(words), "{program} {option}: {printed}");
        }
    }
    Ok(())
}
