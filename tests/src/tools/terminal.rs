// SPDX-License-Identifier: GPL-2.0-only

//! Commands on a terminal, and `--pty`.

use std::fs::File;
use std::io::Read;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Pid;
use rustix::termios::tcgetpgrp;

use super::command;
use super::container::Container;
use super::setup::Pty;
use crate::check::ensure;
use crate::contexts::mount::stage;
use crate::harness::Suite;
use crate::machine::Setting;

pub(crate) fn suite() -> Suite {
    Suite::new("tool_terminal")
        .test(
            "unshare-run --pty: the command cannot push input into the caller's terminal",
            || pushes("unshare-run --uts --fork", "unshare-run --uts --pty"),
        )
        .test(
            "scratch-copy --pty: the command cannot push input into the caller's terminal",
            || {
                let container = Container::new("--mount")?;
                let pid = container.pid;
                pushes(
                    &format!("scratch-copy {pid}"),
                    &format!("scratch-copy --pty {pid}"),
                )
            },
        )
        .test(
            "private-tmp --pty: the session cannot push input into the caller's terminal",
            || {
                stage()?;
                pushes("private-tmp --user alice", "private-tmp --user alice --pty")
            },
        )
        .test(
            "unshare-run --fork: Ctrl-Z and fg of a shell stop and continue the command and unshare-run",
            || in_shell("exec sleep 1000", "\x1a", 128 + libc::SIGTSTP, "\x03", 128 + libc::SIGINT),
        )
        .test(
            "unshare-run --fork: a shell gets the terminal back from a command that stops itself",
            || in_shell("kill -STOP $$; exit 42", "", 128 + libc::SIGSTOP, "", 42),
        )
        .test(
            "unshare-run --pty: the command prints, has the size, and exits as without",
            relays,
        )
}

/// With the first line, what the command pushes waits for the caller; with the second, nothing does.
fn pushes(shared: &str, own: &str) -> Result<()> {
    let _allowed = Setting::sysctl("dev/tty/legacy_tiocsti", "1")?;
    for (line, expected) in [(shared, true), (own, false)] {
        let terminal = Pty::new()?;
        let waits = run_in_session(&terminal, line)?;
        ensure!(waits == expected, "{line}: {waits}");
    }
    Ok(())
}

/// Runs the line in a shell that leads the terminal's session, and says whether input waits at the end.
/// The shell is still there then: the end of a session throws away what waits. It says nothing if the
/// command could not push.
fn run_in_session(terminal: &Pty, line: &str) -> Result<bool> {
    let push = format!("{line} -- /bin/unshare-tests --push reboot");
    let script = format!("{push} && echo pushed && exec sleep 1000");
    let mut shell = command(&format!("sh -c {script}"));
    terminal.give(&mut shell)?;
    let mut shell = shell.spawn()?;
    terminal.read_until("pushed")?;
    let waits = terminal.pending()? > 0;
    shell.kill()?;
    shell.wait()?;
    Ok(waits)
}

/// A shell with job control runs a command under unshare-run, and continues it when it has stopped.
fn in_shell(script: &str, to_stop: &str, stopped: i32, to_end: &str, ended: i32) -> Result<()> {
    let terminal = Pty::new()?;
    let line = format!("unshare-run --uts --fork -- sh -c 'echo begun; {script}'");
    let mut shell = command(&format!(
        "sh -c set -m; {line}; echo stopped $?; fg; echo ended $?"
    ));
    terminal.give(&mut shell)?;
    let mut shell = shell.spawn()?;
    terminal.read_until("begun")?;
    terminal.type_in(to_stop)?;
    terminal.read_until(&format!("stopped {stopped}\r\n"))?;
    // The shell names the job first, and gives it the terminal after that.
    terminal.read_until("unshare-run")?;
    let until = Instant::now() + Duration::from_secs(20);
    let own = Pid::from_child(&shell);
    while tcgetpgrp(&terminal.master)? == own {
        ensure!(Instant::now() < until, "the shell keeps the terminal");
        sleep(Duration::from_millis(1));
    }
    terminal.type_in(to_end)?;
    terminal.read_until(&format!("ended {ended}\r\n"))?;
    shell.wait()?;
    Ok(())
}

fn relays() -> Result<()> {
    let terminal = Pty::new()?;
    let size = rustix::termios::Winsize {
        ws_row: 33,
        ws_col: 111,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&terminal.slave, size)?;
    let mut started = command("unshare-run --uts --pty -- sh -c stty size; test -t 0 && exit 42");
    terminal.give(&mut started)?;
    let status = started.status()?;
    ensure!(status.code() == Some(42), "{status}");
    drop(started);
    let mut printed = [0; 512];
    let count = File::from(terminal.master).read(&mut printed)?;
    let printed = String::from_utf8_lossy(&printed[..count]).into_owned();
    ensure!(printed.contains("33 111"), "{printed:?}");
    Ok(())
}
