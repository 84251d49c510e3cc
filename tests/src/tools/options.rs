// SPDX-License-Identifier: GPL-2.0-only

//! The options that `unshare-run` has from unshare(1) and nsenter(1), and what it says of itself.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use serde_json::Value;

use super::container::Container;
use super::{FAILED, command, exits, output, prints};
use crate::check::ensure;
use crate::contexts::mount::{folder, stage};
use crate::harness::Suite;
use crate::machine::Setting;

pub(crate) fn suite() -> Suite {
    Suite::new("tool_options")
        .test("--monotonic and --boottime set the clocks", clocks)
        .test("--net=FILE and the like keep namespaces", kept)
        .test("--root=DIR and --wd=DIR without another task", directories)
        .test("--env and --join-cgroup take them from the task", of_task)
        .test("--mount-binfmt and --load-interp", binfmt)
        .test(
            "--json: the query, a dry run and a refusal can be parsed",
            json,
        )
        .test("--propagation: how mounts spread", propagation)
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
    prints(
        &format!("unshare-run --mount-binfmt={folder} -- ls {folder}"),
        "register\nstatus\n",
    )?;
    let line = "unshare-run -r --load-interp :tests:E::tests::/bin/echo:";
    prints(
        &format!("{line} -- {folder}/script.tests"),
        &format!("{folder}/script.tests\n"),
    )
}

fn propagation() -> Result<()> {
    stage()?;
    let folder = folder("propagation")?;
    mount(c"tmpfs", &folder, c"tmpfs", MountFlags::empty(), None)?;
    let spread = |mountinfo: String| -> Result<String> {
        let words = format!(" {folder} ");
        let line = mountinfo.lines().find(|line| line.contains(&words));
        let fields = line.and_then(|line| line.split(" - ").next()?.split(' ').nth(6));
        Ok(fields.unwrap_or("private").to_owned())
    };
    let its = |option: &str| -> Result<String> {
        let line = format!("unshare-run --mount {option} -- cat /proc/self/mountinfo");
        spread(output(&line)?)
    };
    ensure!(its("--propagation=unchanged")? == "private");
    ensure!(its("--propagation=shared")?.starts_with("shared:"));
    mount_change(&folder, MountPropagationFlags::SHARED)?;
    let ours = spread(fs::read_to_string("/proc/self/mountinfo")?)?;
    ensure!(ours.starts_with("shared:"), "{ours}");
    ensure!(its("")? == "private" && its("--propagation=private")? == "private");
    let slave = its("--propagation=slave")?;
    ensure!(slave == ours.replace("shared", "master"), "{slave}");
    let unchanged = its("--propagation=unchanged")?;
    ensure!(unchanged == ours, "{unchanged}");
    Ok(())
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
