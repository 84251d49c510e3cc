// SPDX-License-Identifier: GPL-2.0-only

//! Requests with two faults: the ioctl reports the same one as the system calls.
//!
//! A request with both halves corresponds to setns(2) and, after it, unshare(2).

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use unshare_device::Contexts;

use super::parties::without;
use super::target::{KINDS, Target, attach, own_pidfd};
use crate::backend::{self, Backend};
use crate::check::ensure;
use crate::child::in_child;
use crate::conditions::become_user;
use crate::contexts::files::dup_to;
use crate::contexts::user::map_root;
use crate::device::Device;
use crate::differential::judge;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::questions::change_root;
use crate::scale::{dice, rounds};
use crate::sharer::Sharer;

const NONE: Contexts = Contexts::empty();

/// A bit that is unknown to both calls.
const UNKNOWN: Contexts = Contexts::from_bits_retain(1);

/// The cases, by the names in [`differences`](crate::differences).
pub(crate) const CASES: [&str; 1] = [UNKNOWN_BIT];
pub(crate) const UNKNOWN_BIT: &str = "an unknown bit and another fault";

pub(crate) fn suite() -> Suite {
    let halves: [(&str, [Faults; 2]); 3] = [
        ("unshare", [of_unshare, of_unshare]),
        ("attach", [of_attach, of_attach]),
        ("attach, then unshare", [of_attach, of_unshare]),
    ];
    halves
        .into_iter()
        .fold(Suite::new("order"), |suite, (name, [firsts, seconds])| {
            suite.test(
                format!("of two faults, the first in the documented order is reported: {name}"),
                move || compare(name, firsts, seconds),
            )
        })
}

/// The possible faults of one half of a request.
type Faults = fn() -> Vec<Fault>;

/// When a fault is set up. Faults that take away the means to set up others come later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    /// The namespaces that the caller is in.
    First,
    Settings,
    Threads,
    Root,
    Credentials,
    /// There is nothing to set up.
    Never,
}

/// A reason for which a call fails.
struct Fault {
    name: String,
    when: When,
    make: Box<dyn Fn() -> Result<()>>,
    attach: Contexts,
    unshare: Contexts,
    pidfd: Option<Pidfd>,
}

type Pidfd = fn(&Scene) -> Result<OwnedFd>;

/// The targets of a caller.
struct Scene {
    target: Target,
    gone: Target,
    zombie: Target,
}

impl Fault {
    fn new(name: impl Into<String>, when: When, make: impl Fn() -> Result<()> + 'static) -> Self {
        Self {
            name: name.into(),
            when,
            make: Box::new(make),
            attach: NONE,
            unshare: NONE,
            pidfd: None,
        }
    }

    /// A fault that needs no setup.
    fn plain(name: &str) -> Self {
        Self::new(name, When::Never, || Ok(()))
    }

    fn unshare(self, unshare: Contexts) -> Self {
        Self { unshare, ..self }
    }

    fn attach(self, attach: Contexts) -> Self {
        Self { attach, ..self }
    }

    fn pidfd(self, pidfd: Pidfd) -> Self {
        Self {
            pidfd: Some(pidfd),
            ..self
        }
    }
}

const LIMITS: [(Contexts, &str); 8] = [
    (Contexts::USER, "user"),
    (Contexts::MOUNT, "mnt"),
    (Contexts::UTS, "uts"),
    (Contexts::IPC, "ipc"),
    (Contexts::PID, "pid"),
    (Contexts::CGROUP, "cgroup"),
    (Contexts::NET, "net"),
    (Contexts::TIME, "time"),
];

fn of_unshare() -> Vec<Fault> {
    let mut faults = vec![
        Fault::plain("an unknown bit to unshare").unshare(UNKNOWN),
        Fault::new("no mapping", When::First, || {
            Ok(backend::syscall(Contexts::USER)?)
        })
        .unshare(Contexts::USER),
        Fault::new("33 user namespaces deep", When::First, || {
            while backend::syscall(Contexts::USER).is_ok() {
                map_root(0, 0)?;
            }
            Ok(())
        })
        .unshare(Contexts::USER),
        Fault::new("a pid namespace pending", When::First, || {
            Ok(backend::syscall(Contexts::PID)?)
        })
        .unshare(Contexts::PID),
        Fault::new("fs.nr_open lowered", When::Settings, || {
            dup_to(&File::open("/proc/version")?, 1000)?;
            Ok(fs::write("/proc/sys/fs/nr_open", "64")?)
        })
        .unshare(Contexts::FILES),
        Fault::new("threads, to unshare CLONE_THREAD", When::Threads, thread)
            .unshare(Contexts::THREAD),
        Fault::new("threads, to unshare CLONE_NEWUSER", When::Threads, thread)
            .unshare(Contexts::USER),
        Fault::new("a chroot", When::Root, || change_root("/sys").map(drop))
            .unshare(Contexts::USER),
        Fault::new("uid 1000", When::Credentials, || become_user(1000)).unshare(Contexts::UTS),
        Fault::new("no CAP_SYS_ADMIN", When::Credentials, || {
            without(CapabilitySet::SYS_ADMIN)
        })
        .unshare(Contexts::NET),
        Fault::new("forbidden to users", When::Credentials, || {
            become_user(1000)
        })
        .unshare(Contexts::USER),
    ];
    faults.extend(LIMITS.map(|(kind, name)| {
        Fault::new(
            format!("no {name} namespaces left"),
            When::Settings,
            move || Ok(fs::write(limit(name), "0")?),
        )
        .unshare(kind)
    }));
    faults
}

fn of_attach() -> Vec<Fault> {
    let mut faults = vec![
        Fault::plain("an unknown bit to attach").attach(UNKNOWN),
        Fault::plain("no pidfd")
            .attach(Contexts::UTS)
            .pidfd(|_| Ok(File::open("/proc/version")?.into())),
        Fault::plain("a dead task")
            .attach(Contexts::UTS)
            .pidfd(|scene| scene.gone.pidfd()),
        Fault::plain("a dead task, not waited for")
            .attach(Contexts::UTS)
            .pidfd(|scene| scene.zombie.pidfd()),
        Fault::plain("its own user namespace")
            .attach(Contexts::USER)
            .pidfd(|_| own_pidfd()),
        Fault::new("threads, to attach CLONE_NEWUSER", When::Threads, thread)
            .attach(Contexts::USER),
        Fault::new("threads, to attach CLONE_NEWTIME", When::Threads, thread)
            .attach(Contexts::TIME),
        Fault::new("another user's task", When::Credentials, || {
            become_user(1000)
        })
        .attach(Contexts::IPC),
        Fault::new("no CAP_SYS_CHROOT", When::Credentials, || {
            without(CapabilitySet::SYS_CHROOT)
        })
        .attach(Contexts::MOUNT),
    ];
    faults.extend(KINDS.each().map(|kind| {
        Fault::new(
            format!("no CAP_SYS_ADMIN for {kind}"),
            When::Credentials,
            || without(CapabilitySet::SYS_ADMIN),
        )
        .attach(kind)
    }));
    faults
}

fn limit(name: &str) -> String {
    format!("/proc/sys/user/max_{name}_namespaces")
}

/// Starts a second thread, which lives as long as the process.
fn thread() -> Result<()> {
    thread::spawn(|| {
        loop {
            thread::park();
        }
    });
    Ok(())
}

/// Chooses pairs at random, and compares the outcomes of both ways.
fn compare(name: &str, firsts: fn() -> Vec<Fault>, seconds: fn() -> Vec<Fault>) -> Result<()> {
    let (firsts, seconds) = (firsts(), seconds());
    let mut pairs: Vec<_> = firsts
        .iter()
        .flat_map(|first| seconds.iter().map(move |second| [first, second]))
        .filter(|[first, second]| {
            first.name != second.name && (first.pidfd.is_none() || second.pidfd.is_none())
        })
        .collect();
    dice(name).shuffle(&mut pairs);
    pairs.truncate(rounds(30, usize::MAX));

    let scene = Scene {
        target: Target::new(KINDS)?,
        gone: Target::new(NONE)?.ended()?,
        zombie: Target::new(NONE)?.zombie()?,
    };
    let mut tried = 0;
    for pair in &pairs {
        let case = format!("{}; {}", pair[0].name, pair[1].name);
        let [syscall, ioctl] = [Backend::Syscall, Backend::Ioctl].map(|backend| {
            // The child changes the settings, and this value restores them.
            let _restored = restored(pair)?;
            in_child(|| outcome(pair, &scene, backend))
        });
        let (syscall, ioctl) = match (syscall, ioctl) {
            // One of the two faults prevents the setup of the other.
            (Err(one), Err(other)) if one.to_string() == other.to_string() => continue,
            (syscall, ioctl) => (syscall.context("syscall")?, ioctl.context("ioctl")?),
        };
        tried += 1;
        judge(named(pair).unwrap_or(&case), &syscall, &ioctl).context(case)?;
    }
    ensure!(tried > pairs.len() / 2, "{tried} of {}", pairs.len());
    Ok(())
}

/// Returns the name of the intended difference that this pair is a case of.
fn named(pair: &[&Fault; 2]) -> Option<&'static str> {
    let attached = pair[0].attach | pair[1].attach;
    let unshared = pair[0].unshare | pair[1].unshare;
    (attached | unshared)
        .contains(UNKNOWN)
        .then_some(UNKNOWN_BIT)
}

/// Returns the settings that a pair changes, to restore them.
fn restored(pair: &[&Fault; 2]) -> Result<Vec<Setting>> {
    let names = LIMITS.map(|(_, name)| format!("user/max_{name}_namespaces"));
    let names = names.into_iter().chain(["fs/nr_open".to_owned()]);
    let mut settings = names
        .map(|name| {
            let value = fs::read_to_string(format!("/proc/sys/{name}"))?;
            Setting::sysctl(&name, value.trim())
        })
        .collect::<Result<Vec<_>>>()?;
    let forbids = pair.iter().any(|fault| fault.name == "forbidden to users");
    if forbids && fs::exists("/proc/sys/kernel/unprivileged_userns_clone")? {
        settings.push(Setting::sysctl("kernel/unprivileged_userns_clone", "0")?);
    }
    Ok(settings)
}

/// Sets up both faults, and makes the request one way.
fn outcome(pair: &[&Fault; 2], scene: &Scene, backend: Backend) -> Result<String> {
    let device = Device::open()?;
    let pidfd = pair.iter().find_map(|fault| fault.pidfd);
    let pidfd = pidfd.map_or_else(|| scene.target.pidfd(), |pidfd| pidfd(scene))?;
    let _sharer = Sharer::new(Contexts::FILES)?;
    let mut pair = *pair;
    pair.sort_by_key(|fault| fault.when);
    for fault in pair {
        (fault.make)().context(fault.name.clone())?;
    }
    let attached = pair[0].attach | pair[1].attach;
    let unshared = pair[0].unshare | pair[1].unshare;
    let result = match backend {
        Backend::Syscall => syscalls(&pidfd, attached, unshared),
        Backend::Ioctl => {
            let mut args = attach(&pidfd, attached, unshared);
            if attached.is_empty() {
                args.pidfd = 0;
            }
            device.commit(args).errno.map_or(Ok(()), Err)
        }
    };
    Ok(match result {
        Ok(()) => "success".to_owned(),
        Err(errno) => errno.to_string(),
    })
}

fn syscalls(pidfd: &OwnedFd, attached: Contexts, unshared: Contexts) -> Result<(), Errno> {
    if !attached.is_empty() {
        backend::setns(pidfd.as_fd(), attached)?;
    }
    match unshared.is_empty() {
        true => Ok(()),
        false => backend::syscall(unshared),
    }
}
