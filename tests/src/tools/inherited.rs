// SPDX-License-Identifier: GPL-2.0-only

//! What the commands inherit from their caller, and what reaches the program that they run. The table
//! `tools/inherited.table` has a cell for each command and state; one test a command walks it.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, mount, mount_bind_recursive};
use rustix::process::getsid;

use super::command;
use super::container::Container;
use super::probe::{DESCRIPTOR, KEYRING, MARKER, SESSION, VARIABLE};
use super::setup::{Pty, before_exec, begin_session, block, checked, ignore, limit};
use crate::check::ensure;
use crate::contexts::mount::{folder, stage};
use crate::harness::Suite;

const TABLE: &str = include_str!("../../../tools/inherited.table");

const CGROUP: &str = "/sys/fs/cgroup/unshare-tests-inherited";

/// The commands of the table's columns. PID is a process of a container.
const COMMANDS: [(&str, &str); 6] = [
    ("unshare-run", "unshare-run --uts --"),
    ("--fork", "unshare-run --uts --fork --"),
    ("--pty", "unshare-run --uts --pty --"),
    ("--attach", "unshare-run --attach PID --"),
    ("scratch-copy", "scratch-copy PID --"),
    ("private-tmp", "private-tmp --user alice --"),
];

pub(crate) fn suite() -> Suite {
    COMMANDS.into_iter().enumerate().fold(
        Suite::new("tool_inherited"),
        |suite, (column, (name, line))| {
            let title =
                format!("{name}: each kind of inherited state is kept or reset, as the table says");
            // Some forty commands, one after the other.
            suite.slow(title, Duration::from_secs(120), move || walk(column, line))
        },
    )
}

fn rows() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let lines = TABLE
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.collect()))
    })
}

fn walk(column: usize, line: &str) -> Result<()> {
    stage()?;
    let container = Container::new("--mount --uts --time")?;
    let line = line.replace("PID", &container.pid.to_string());
    let scene = Scene::new()?;
    let nothing = |_: &mut Command| Ok(());
    let without = look(&line, Program::Both, nothing)?;
    let direct = look("", Program::Both, nothing)?;
    let mut seen = 0;
    for (state, cells) in rows() {
        let cell = cells
            .get(column)
            .with_context(|| format!("{state}: no cell"))?;
        let value = |all: &States| all.get(state).cloned().unwrap_or_default();
        let given = |line: &str| -> Result<String> {
            let program = Program::of(state);
            Ok(value(&look(line, program, |command| {
                scene.give(state, command)
            })?))
        };
        let values = Values {
            direct: value(&direct),
            given: given("")?,
            without: value(&without),
            got: given(&line)?,
        };
        values
            .are(cell)
            .with_context(|| format!("{state}, {cell}: {values:?}"))?;
        seen += 1;
    }
    ensure!(seen >= 20, "the table has {seen} rows");
    Ok(())
}

/// What a program says of one kind of state.
#[derive(Debug)]
struct Values {
    /// Started by the test.
    direct: String,
    /// Started by the test, which gives it the state.
    given: String,
    /// Started by the command.
    without: String,
    /// Started by the command, to which the test gives the state.
    got: String,
}

impl Values {
    /// Whether they are what a cell says, and differ from what another cell would say.
    fn are(&self, cell: &str) -> Result<()> {
        let is = match cell {
            "kept" => self.got == self.given && self.given != self.direct,
            "reset" => self.got == self.without && self.given != self.without,
            "own" => self.got == self.without && self.without != self.direct,
            "exec" => self.got == self.without && self.given == self.direct,
            _ => anyhow::bail!("the cell is none of kept, reset, own, exec"),
        };
        ensure!(is, "that is not so");
        Ok(())
    }
}

type States = BTreeMap<String, String>;

/// What says something of the state that it was started in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    /// A program in Rust, which changes what SIGPIPE does before `main`.
    Probe,
    /// A program in C, which prints what the kernel knows.
    Status,
    Both,
}

impl Program {
    fn of(state: &str) -> Self {
        let is_signal = SIGNALS.iter().any(|(name, _)| *name == state);
        match is_signal || STATUS.iter().any(|(_, name)| *name == state) {
            true => Self::Status,
            false => Self::Probe,
        }
    }
}

/// All that a program says which `line` runs, `given` some state.
fn look(line: &str, program: Program, give: impl Fn(&mut Command) -> Result<()>) -> Result<States> {
    let run = |program: &str| {
        let mut command = command(format!("{line} {program}").trim_start());
        let session = getsid(None)?.as_raw_nonzero().to_string();
        command.env(SESSION, session);
        give(&mut command)?;
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{command:?}: {}: {said}",
            output.status
        );
        Ok(String::from_utf8(output.stdout)?)
    };
    let mut states = States::new();
    if program != Program::Status {
        let printed = run("/bin/unshare-tests --inherited")?;
        let lines = printed.lines().filter_map(|line| line.split_once('='));
        states.extend(lines.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    if program != Program::Probe {
        add_status(&mut states, &run("cat /proc/self/status")?)?;
    }
    Ok(states)
}

/// Lines of /proc/PID/status, and their rows.
const STATUS: [(&str, &str); 5] = [
    ("SigBlk", "mask"),
    ("Umask", "umask"),
    ("Groups", "groups"),
    ("NoNewPrivs", "no_new_privs"),
    ("Seccomp", "seccomp"),
];

fn add_status(states: &mut States, status: &str) -> Result<()> {
    for (line, value) in status.lines().filter_map(|line| line.split_once(":\t")) {
        if let Some((_, name)) = STATUS.iter().find(|(name, _)| *name == line) {
            states.insert((*name).to_owned(), value.to_owned());
        }
        if line == "SigIgn" {
            let ignored = u64::from_str_radix(value, 16)?;
            for (name, signal) in SIGNALS {
                let is_ignored = (ignored >> (signal - 1) & 1).to_string();
                states.insert(name.to_owned(), is_ignored);
            }
        }
    }
    Ok(())
}

/// Signals that a caller ignores, and their rows.
const SIGNALS: [(&str, i32); 3] = [
    ("SIGCHLD", libc::SIGCHLD),
    ("SIGPIPE", libc::SIGPIPE),
    ("SIGHUP", libc::SIGHUP),
];

/// What the states need that does not fit into a child.
struct Scene {
    root: CString,
}

impl Scene {
    fn new() -> Result<Self> {
        let root = folder("inherited-root")?;
        mount_bind_recursive("/", &root)?;
        mount(
            c"tmpfs",
            format!("{root}/mnt"),
            c"tmpfs",
            MountFlags::empty(),
            None,
        )?;
        fs::write(format!("{root}{MARKER}"), "")?;
        fs::create_dir_all(CGROUP)?;
        Ok(Self {
            root: CString::new(root)?,
        })
    }

    /// Gives the state to the command.
    fn give(&self, state: &str, command: &mut Command) -> Result<()> {
        let root = self.root.clone();
        if let Some((_, signal)) = SIGNALS.into_iter().find(|(name, _)| *name == state) {
            before_exec(command, move || ignore(signal));
            return Ok(());
        }
        // SAFETY: Each call takes numbers, or what is this scene's own.
        unsafe {
            match state {
                "descriptors" => {
                    let file = File::open("/proc/version")?;
                    before_exec(command, move || {
                        checked(libc::dup2(file.as_raw_fd(), DESCRIPTOR))
                    })
                }
                "mask" => before_exec(command, || block(libc::SIGUSR1)),
                "umask" => before_exec(command, || {
                    libc::umask(0o077);
                    Ok(())
                }),
                "cwd" => command.current_dir("/usr/bin"),
                "root" => before_exec(command, move || {
                    checked(libc::chroot(root.as_ptr()))?;
                    checked(libc::chdir(c"/".as_ptr()))
                }),
                "limits" => before_exec(command, || limit(libc::RLIMIT_CORE, 12345)),
                "groups" => before_exec(command, || checked(libc::setgroups(1, &4242))),
                "keyring" => before_exec(command, || {
                    const JOIN_SESSION_KEYRING: i32 = 1;
                    let name = CString::new(KEYRING)?;
                    checked(libc::syscall(
                        libc::SYS_keyctl,
                        JOIN_SESSION_KEYRING,
                        name.as_ptr(),
                    ))
                }),
                "terminal" => {
                    // The kernel hangs up on a terminal at the end of its session.
                    let terminal = Pty::new()?;
                    before_exec(command, move || {
                        let Pty { slave, .. } = &terminal;
                        begin_session(Some(slave.as_raw_fd()))
                    })
                }
                "session" => before_exec(command, || begin_session(None)),
                "cgroup" => {
                    before_exec(command, || fs::write(format!("{CGROUP}/cgroup.procs"), "0"))
                }
                "environment" => command.env(VARIABLE, "given"),
                "no_new_privs" => before_exec(command, || {
                    checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
                }),
                "seccomp" => before_exec(command, || super::setup::deny(libc::SYS_acct)),
                "dumpable" => before_exec(command, || {
                    checked(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0))
                }),
                "parent-death" => before_exec(command, || {
                    checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGUSR1, 0, 0, 0))
                }),
                "time" => before_exec(command, || {
                    const CLONE_NEWTIME: i32 = 0x80;
                    checked(libc::unshare(CLONE_NEWTIME))?;
                    fs::write("/proc/self/timens_offsets", "monotonic 1000 0")
                }),
                "personality" => before_exec(command, || {
                    checked(libc::personality(libc::ADDR_NO_RANDOMIZE as _))
                }),
                other => anyhow::bail!("{other}: the test does not know how to give this state"),
            };
        }
        Ok(())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir(CGROUP);
    }
}
