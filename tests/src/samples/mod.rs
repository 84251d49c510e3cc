// SPDX-License-Identifier: GPL-2.0-only

//! The sample programs, as a user sees them: exit status, output, and what they say when refused.

pub(crate) mod attach;
pub(crate) mod c;
mod container;
mod container_proxy;
pub(crate) mod go;
pub(crate) mod scratch_copy;
pub(crate) mod unshare_run;

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};

use crate::check::ensure;
use crate::contexts::files::dup_to;
use crate::contexts::mount::{folder, stage};
use crate::harness::Suite;
use crate::machine::Setting;

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
            "private-tmp: two users do not see each other's files",
            private_tmp,
        )
        .test("private-tmp: the session has the user's ids", session)
        .test(
            "container-proxy: each container has its own listener and log, and no thread stays there",
            container_proxy::connections_and_logs,
        )
}

/// Runs a program with arguments, of which a blank ends each, but for the last if it follows `-c`.
fn command(line: &str) -> Command {
    let (line, script) = match line.split_once(" -c ") {
        Some((line, script)) => (format!("{line} -c"), Some(script)),
        None => (line.to_owned(), None),
    };
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).args(script).stdin(Stdio::null());
    command
}

fn run(line: &str) -> Result<Output> {
    command(line).output().with_context(|| line.to_owned())
}

/// The program succeeds. Returns what it prints.
fn output(line: &str) -> Result<String> {
    let output = run(line)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {}: {said}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

fn prints(line: &str, expected: &str) -> Result<()> {
    let printed = output(line)?;
    ensure!(printed == expected, "{line} printed {printed:?}");
    Ok(())
}

/// The program exits with `status`. Returns what it says on standard error.
fn exits(mut command: Command, status: i32) -> Result<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(status),
        "{command:?}: {}: {said}",
        output.status
    );
    Ok(said)
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
    // The request that fails, and the end of the last scene.
    for words in ["CLONE_NEWUTS: No space left on device", "confirmed"] {
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

fn private_tmp() -> Result<()> {
    // On a stage, so that instances made here do not outlive the test.
    stage()?;
    for tmp in ["/tmp", "/var/tmp"] {
        let secret = format!("{tmp}/unshare-tests-secret");
        output(&format!(
            "private-tmp --user alice -- sh -c echo mine >{secret}"
        ))?;
        prints(
            &format!("private-tmp --user alice -- cat {secret}"),
            "mine\n",
        )?;
        prints(&format!("private-tmp --user bob -- ls {tmp}"), "")?;
        ensure!(!fs::exists(&secret)?, "{secret} is everybody's");
        output(&format!("private-tmp --user alice -- rm {secret}"))?;
    }
    Ok(())
}

fn session() -> Result<()> {
    stage()?;
    prints("private-tmp --user bob -- id -u", "1001\n")?;
    exits(command("private-tmp --user bob -- sh -c exit 42"), 42)?;
    let mut as_alice = command("private-tmp --user bob -- id -u");
    as_alice.uid(1000).gid(1000);
    let output = as_alice.output()?;
    ensure!(!output.status.success(), "alice got a session of bob's");
    Ok(())
}
