// SPDX-License-Identifier: GPL-2.0-only

//! What a command can say of the state that it was started in.

use std::collections::BTreeMap;
use std::env;
use std::fs;

use anyhow::{Context, Result};
use rustix::process::{getpid, getsid, parent_process_death_signal};

use super::setup::checked;

/// A descriptor that tests leave open.
pub(crate) const DESCRIPTOR: i32 = 10;
/// A variable that tests set.
pub(crate) const VARIABLE: &str = "UNSHARE_TESTS";
/// The variable that has the session of the test.
pub(crate) const SESSION: &str = "UNSHARE_TESTS_SESSION";
/// A file that a test's other root directory has.
pub(crate) const MARKER: &str = "/mnt/unshare-tests-root";
/// A session keyring that tests join.
pub(crate) const KEYRING: &str = "unshare-tests-ring";

/// Prints a line `name=value` for each kind of state. Rust changes what SIGPIPE does before `main`,
/// so a program in C prints the signals: the command `cat /proc/self/status`.
pub(crate) fn print() -> Result<()> {
    for (name, value) in states()? {
        println!("{name}={value}");
    }
    Ok(())
}

fn states() -> Result<BTreeMap<&'static str, String>> {
    let read = |path: &str| fs::read_to_string(path).context(path.to_owned());
    let stat = read("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let session = getsid(None)?.as_raw_nonzero().to_string();
    let limits = read("/proc/self/limits")?;
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let keys = read("/proc/keys").unwrap_or_default();
    Ok(BTreeMap::from([
        (
            "descriptors",
            fs::exists(format!("/proc/self/fd/{DESCRIPTOR}"))?.to_string(),
        ),
        (
            "cwd",
            fs::read_link("/proc/self/cwd")?.display().to_string(),
        ),
        ("root", fs::exists(MARKER)?.to_string()),
        ("limits", core.unwrap_or_default().to_owned()),
        ("keyring", keys.contains(KEYRING).to_string()),
        (
            "terminal",
            (after_name.split_whitespace().nth(4) != Some("0")).to_string(),
        ),
        (
            "session",
            (env::var(SESSION).ok() == Some(session)).to_string(),
        ),
        ("cgroup", read("/proc/self/cgroup")?),
        ("environment", env::var(VARIABLE).unwrap_or_default()),
        (
            "parent-death",
            format!("{:?}", parent_process_death_signal()?),
        ),
        (
            "time",
            read("/proc/self/timens_offsets")?.replace('\n', ","),
        ),
        ("personality", read("/proc/self/personality")?),
        (
            "dumpable",
            format!("{:?}", rustix::process::dumpable_behavior()?),
        ),
    ]))
}

/// Pushes a line into the input of the terminal at standard input (TIOCSTI).
pub(crate) fn push(line: &str) -> Result<()> {
    for byte in line.bytes().chain([b'\n']) {
        // SAFETY: The kernel reads a byte.
        checked(unsafe { libc::ioctl(0, libc::TIOCSTI, &byte) })
            .with_context(|| format!("TIOCSTI, process {}", getpid().as_raw_nonzero()))?;
    }
    Ok(())
}
