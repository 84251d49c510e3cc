// SPDX-License-Identifier: GPL-2.0-only

//! The sample programs, as a user sees them: exit status and output.

pub(crate) mod c;
mod container_proxy;
pub(crate) mod go;
pub(crate) mod private_tmp;

use std::fs::{self, File};
use std::process::Command;

use anyhow::{Context, Result};

use crate::check::ensure;
use crate::contexts::files::dup_to;
use crate::contexts::mount::folder;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::tools::{command, exits, output};

pub(crate) fn suite() -> Suite {
    Suite::new("samples")
        .test(
            "the C sample starts a shell with contexts of its own",
            c_sample,
        )
        .test(
            "the C sample names the context that is refused",
            c_sample_refused,
        )
        .test(
            "the demonstration runs to its end, in 60 lines of 80 columns",
            demo,
        )
        .test("the demonstration is coloured if asked for", demo_colours)
        .test(
            "late-fork: the parent sees only what the child wrote before the copy",
            late_fork,
        )
        .test(
            "request-server: the server keeps what its workers stop sharing",
            request_server,
        )
        .test(
            "container-proxy: each container has its own listener and log, and no thread stays there",
            container_proxy::connections_and_logs,
        )
}

fn c_sample() -> Result<()> {
    let script = folder("c-sample")? + "/script";
    fs::write(&script, "readlink /proc/self/ns/uts\n")?;
    dup_to(&File::open("/proc/version")?, 10)?;
    let printed = Command::new("/bin/unshare")
        .stdin(File::open(&script)?)
        .output()?;
    let printed = String::from_utf8(printed.stdout)?;
    let ours = fs::read_link("/proc/self/ns/uts")?.display().to_string();
    let its = printed.lines().find(|line| line.starts_with("uts:"));
    // The test shares its descriptors and directories with no task. A mount namespace implies CLONE_FS.
    let replaced = "replaced: CLONE_FS CLONE_NEWNS CLONE_NEWUTS\n";
    ensure!(printed.starts_with(replaced), "{printed}");
    ensure!(its.context("no shell")? != ours, "{printed}");
    Ok(())
}

fn c_sample_refused() -> Result<()> {
    let _none = Setting::sysctl("user/max_uts_namespaces", "0")?;
    let said = exits(command("/bin/unshare"), 1)?;
    let expected = "/dev/unshare: CLONE_NEWUTS: No space left on device\n";
    ensure!(said == expected);
    Ok(())
}

fn demo() -> Result<()> {
    let printed = output("demo")?;
    // The request that fails, the scene that not each kernel has, and the end of the last scene.
    for words in [
        "CLONE_NEWUTS: No space left on device",
        "5. There and back",
        "confirmed",
    ] {
        ensure!(printed.contains(words), "{words}: {printed}");
    }
    ensure!(printed.lines().count() <= 60, "{printed}");
    let longest = printed.lines().map(str::len).max();
    ensure!(longest <= Some(80), "{printed}");
    ensure!(!printed.contains('\x1b'), "colours: {printed}");
    Ok(())
}

fn demo_colours() -> Result<()> {
    let printed = output("demo --color always")?;
    ensure!(
        printed.contains("\x1b[1m1. Ask first\x1b[0m: "),
        "{printed}"
    );
    Ok(())
}

fn late_fork() -> Result<()> {
    let printed = output("late-fork --mib 8 --rounds 5")?;
    let told = printed.contains("what it wrote after was not");
    ensure!(told && printed.contains("late fork, needed"), "{printed}");
    Ok(())
}

fn request_server() -> Result<()> {
    let printed = output("request-server --self-test")?;
    ensure!(printed.contains("memory are as before"), "{printed}");
    Ok(())
}
