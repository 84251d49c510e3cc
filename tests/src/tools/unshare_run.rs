// SPDX-License-Identifier: GPL-2.0-only

//! `unshare-run`.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;

use anyhow::Result;
use serde_json::Value;

use super::{FAILED, command, exits, output, prints, run};
use crate::check::ensure;
use crate::contexts::files::dup_to;
use crate::device::{Device, HOLD};
use crate::harness::Suite;
use crate::machine::{OpenToAll, Setting};

/// An option of unshare-run, and its link in /proc/self/ns.
const NAMESPACES: [(&str, &str); 8] = [
    ("--mount", "mnt"),
    ("--uts", "uts"),
    ("--ipc", "ipc"),
    ("--net", "net"),
    ("--pid", "pid_for_children"),
    ("--user", "user"),
    ("--cgroup", "cgroup"),
    ("--time", "time"),
];

pub(crate) fn suite() -> Suite {
    let suite =
        NAMESPACES
            .into_iter()
            .fold(Suite::new("tool_unshare_run"), |suite, (option, kind)| {
                suite.test(
                    format!("unshare-run {option}: the command has its own {kind} namespace"),
                    move || own_namespace(option, kind),
                )
            });
    suite
        .test(
            "unshare-run --fs --files --sysvsem: the command runs",
            || prints("unshare-run --fs --files --sysvsem -- echo here", "here\n"),
        )
        .test("unshare-run exits with the command's status", exit_status)
        .test(
            "unshare-run --fork exits with the command's status",
            exit_status_of_child,
        )
        .test(
            "unshare-run --close-from: the command has only lower descriptors",
            close_from,
        )
        .test(
            "unshare-run --pid --fork --mount-proc: the command has PID 1",
            process_one,
        )
        .test(
            "unshare-run --map-root-user: a user is root in the new user namespace",
            map_root_user,
        )
        .test(
            "unshare-run --empty-mount: the command has only the root mount",
            empty_mount,
        )
        .test(
            "unshare-run --dry-run changes nothing and runs nothing",
            dry_run,
        )
        .test(
            "unshare-run --vm --sighand: a program shares neither and replaces nothing",
            nothing_to_leave,
        )
        .test("unshare-run --query names each context", query)
        .test(
            "unshare-run --query says whether contexts can be held",
            query_offers_hold,
        )
        .test(
            "unshare-run names the refused context and the reason",
            refused,
        )
        .test("unshare-run says who may open the device", no_access)
}

fn own_namespace(option: &str, kind: &str) -> Result<()> {
    let link = format!("/proc/self/ns/{kind}");
    let ours = fs::read_link(&link)?.display().to_string();
    let its = run(&format!("unshare-run {option} -- readlink {link}"))?;
    let said = String::from_utf8_lossy(&its.stderr);
    // The PID namespace of future children has no link before the first child.
    ensure!(
        its.status.success() || kind == "pid_for_children",
        "{}: {said}",
        its.status
    );
    ensure!(
        String::from_utf8(its.stdout)?.trim() != ours,
        "still {ours}"
    );
    Ok(())
}

fn exit_status() -> Result<()> {
    exits(command("unshare-run --uts -- sh -c exit 42"), 42)?;
    exits(command("unshare-run --uts -- /nonexistent"), 127)?;
    exits(command("unshare-run --uts -- /etc/passwd"), 126)?;
    exits(command("unshare-run --no-such-option"), FAILED)?;
    Ok(())
}

fn exit_status_of_child() -> Result<()> {
    exits(command("unshare-run --uts --fork -- sh -c exit 42"), 42)?;
    exits(
        command("unshare-run --uts --fork -- sh -c kill -TERM $$"),
        128 + libc::SIGTERM,
    )?;
    Ok(())
}

fn close_from() -> Result<()> {
    dup_to(&File::open("/proc/version")?, 10)?;
    let list = "sh -c cd /proc/self/fd && echo *";
    let open = output(list)?;
    ensure!(
        open.contains("10"),
        "the command does not get it anyhow: {open}"
    );
    let left = output(&format!("unshare-run --close-from 3 -- {list}"))?;
    ensure!(left.split_whitespace().all(|fd| fd != "10"), "{left}");
    Ok(())
}

fn process_one() -> Result<()> {
    let line = "unshare-run --pid --fork --mount-proc -- sh -c echo $$; ls -d /proc/[0-9]*";
    let printed = output(line)?;
    // The shell itself, and the ls that it has started.
    ensure!(printed.starts_with("1\n/proc/1\n"), "{printed}");
    ensure!(printed.lines().count() <= 3, "{printed}");
    Ok(())
}

fn map_root_user() -> Result<()> {
    let _open = OpenToAll::new()?;
    let mut as_alice = command("unshare-run --map-root-user --net -- id -u");
    let output = as_alice.uid(1000).gid(1000).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.stdout == b"0\n", "{}: {said}", output.status);
    Ok(())
}

fn empty_mount() -> Result<()> {
    let look = "busybox sh -c test -e /proc/self || exit 42";
    exits(command(look), 0)?;
    exits(command(&format!("unshare-run --empty-mount -- {look}")), 42)?;
    Ok(())
}

fn dry_run() -> Result<()> {
    let printed = output("unshare-run --dry-run --uts --net -- echo ran")?;
    ensure!(!printed.contains("ran"), "{printed}");
    for name in ["CLONE_NEWUTS", "CLONE_NEWNET"] {
        ensure!(printed.contains(name), "{name}: {printed}");
    }
    Ok(())
}

fn nothing_to_leave() -> Result<()> {
    prints(
        "unshare-run --vm --sighand --dry-run -- true",
        "would replace none\n",
    )?;
    exits(command("unshare-run --vm --sighand -- sh -c exit 42"), 42).map(drop)
}

fn query() -> Result<()> {
    let printed = output("unshare-run --query")?;
    for (name, context) in unshare_device::Contexts::all().iter_names() {
        let name = context.kernel_name().unwrap_or(name);
        let listed = printed
            .lines()
            .any(|line| line.split_whitespace().next() == Some(name));
        ensure!(listed, "{name}: {printed}");
    }
    Ok(())
}

fn query_offers_hold() -> Result<()> {
    says_hold(Device::open()?.query()?.options & u64::from(HOLD) != 0)
}

/// Checks what the table and the JSON say.
pub(crate) fn says_hold(is_offered: bool) -> Result<()> {
    let row = ["UNSHARE_HOLD", if is_offered { "yes" } else { "no" }];
    let table = output("unshare-run --query")?;
    let mut rows = table.lines().map(|line| line.split_whitespace().take(2));
    ensure!(rows.any(|words| words.eq(row)), "no {row:?}: {table}");
    let json: Value = serde_json::from_str(&output("unshare-run --query --json")?)?;
    ensure!(json["options"]["hold"] == is_offered, "{json:#}");
    Ok(())
}

fn refused() -> Result<()> {
    let _limit = Setting::sysctl("user/max_net_namespaces", "0")?;
    let said = exits(command("unshare-run --uts --net -- echo ran"), FAILED)?;
    for words in [
        "unshare-run: ",
        "CLONE_NEWNET",
        "No space left",
        "max_net_namespaces",
    ] {
        ensure!(said.contains(words), "{words}: {said}");
    }
    let _open = OpenToAll::new()?;
    let mut as_alice = command("unshare-run --uts -- echo ran");
    as_alice.uid(1000).gid(1000);
    let said = exits(as_alice, FAILED)?;
    for words in ["CLONE_NEWUTS", "not permitted", "CAP_SYS_ADMIN"] {
        ensure!(said.contains(words), "{words}: {said}");
    }
    Ok(())
}

fn no_access() -> Result<()> {
    let mut as_alice = command("unshare-run --fs -- echo ran");
    as_alice.uid(1000).gid(1000);
    let said = exits(as_alice, FAILED)?;
    ensure!(
        said.contains("/dev/unshare") && said.contains("root"),
        "{said}"
    );
    Ok(())
}
