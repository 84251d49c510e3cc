// SPDX-License-Identifier: GPL-2.0-only

//! What env(1), chroot(1) and timeout(1) do as well: exit statuses, and where help goes.

use std::time::Duration;

use anyhow::{Context, Result};

use super::container::Container;
use super::{FAILED, command, exits};
use crate::check::ensure;
use crate::contexts::mount::stage;
use crate::harness::Suite;

pub(crate) fn suite() -> Suite {
    Suite::new("tool_conventions")
        .slow(
            "each command exits with the status of what it runs, with 126 or 127 without that, and with 125 for itself",
            Duration::from_secs(120),
            statuses,
        )
        .test(
            "--help, --version and --completions go to standard output, mistakes to standard error",
            said,
        )
}

/// What a command runs, and the status that a shell sees then.
const RUNS: [(&str, i32); 5] = [
    ("true", 0),
    ("sh -c 'exit 42'", 42),
    ("sh -c 'kill -TERM $$'", 128 + libc::SIGTERM),
    ("/etc/passwd", 126),
    ("/nonexistent", 127),
];

fn statuses() -> Result<()> {
    stage()?;
    let container = Container::new("--mount --pid --fork")?;
    let pid = container.pid;
    for line in [
        "unshare-run --uts --".to_owned(),
        "unshare-run --uts --fork --".to_owned(),
        "unshare-run --uts --pty --".to_owned(),
        "unshare-run --empty-mount --fork -- busybox".to_owned(),
        format!("unshare-run --attach {pid} --"),
        format!("scratch-copy {pid} --"),
        format!("scratch-copy --pty {pid} --"),
        "private-tmp --user alice --".to_owned(),
        "private-tmp --user alice --pty --".to_owned(),
    ] {
        for (run, status) in RUNS {
            if line.ends_with("busybox") && status > 125 && status < 128 {
                continue;
            }
            let shell = command(&format!("sh -c {line} {run}; exit $?"));
            exits(shell, status).with_context(|| format!("{line} {run}"))?;
        }
    }
    for line in [
        "unshare-run --no-such-option",
        "unshare-run --attach 99999 -- true",
        "unshare-run --empty-mount -- /nonexistent",
        "scratch-copy",
        "scratch-copy 99999 -- true",
        "private-tmp --no-such-option",
        "private-tmp --user nobody-here -- true",
    ] {
        exits(command(line), FAILED).with_context(|| line.to_owned())?;
    }
    Ok(())
}

fn said() -> Result<()> {
    for program in ["unshare-run", "scratch-copy", "private-tmp"] {
        for (option, words) in [
            ("--help", "Usage:"),
            ("-h", "Usage:"),
            ("--version", program),
            ("--completions=bash", "complete -F"),
            ("--completions=zsh", "#compdef"),
            ("--completions=fish", "complete -c"),
        ] {
            // A sample is not installed, so nothing completes it.
            if program == "private-tmp" && option.contains("completions") {
                continue;
            }
            let printed = command(&format!("{program} {option}")).output()?;
            ensure!(
                printed.status.success() && printed.stderr.is_empty(),
                "{printed:?}"
            );
            let printed = String::from_utf8(printed.stdout)?;
            ensure!(printed.contains(words), "{program} {option}: {printed}");
        }
        let mistaken = command(&format!("{program} --no-such-option")).output()?;
        ensure!(mistaken.stdout.is_empty(), "{mistaken:?}");
        let said = String::from_utf8(mistaken.stderr)?;
        ensure!(said.contains("--no-such-option"), "{said}");
    }
    Ok(())
}
