// SPDX-License-Identifier: GPL-2.0-only

//! Contexts that a descriptor holds: there and back. One file for each promise.

pub(crate) mod arguments;
pub(crate) mod credentials;
pub(crate) mod descriptor;
pub(crate) mod directories;
pub(crate) mod ending;
pub(crate) mod entering;
pub(crate) mod execve;
pub(crate) mod faults;
pub(crate) mod filter;
#[cfg(target_arch = "x86_64")]
pub(crate) mod first_task;
pub(crate) mod killed;
pub(crate) mod leaving;
pub(crate) mod lifetime;
pub(crate) mod privileges;
pub(crate) mod residue;
pub(crate) mod stress;
pub(crate) mod way_back;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_ulong;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, open, readlinkat, statx};
use rustix::io::Errno;
use unshare_device::{Contexts, raw};

use crate::check::ensure;
use crate::device::{Args, Device, HOLD, Reply, checked, ioctl, unshare};

pub(crate) const ENTER: u32 = raw::UNSHARE_IOC_ENTER;
pub(crate) const LEAVE: u32 = raw::UNSHARE_IOC_LEAVE;

/// The namespaces that can be held.
pub(crate) const KINDS: Contexts = Contexts::MOUNT
    .union(Contexts::UTS)
    .union(Contexts::IPC)
    .union(Contexts::PID)
    .union(Contexts::NET)
    .union(Contexts::CGROUP);

/// All that can be held together.
pub(crate) const ALL: Contexts = KINDS.union(Contexts::FS);

/// What a thread may enter that makes threads and processes there.
pub(crate) const MOST: Contexts = ALL.difference(Contexts::PID);

/// A descriptor that holds contexts.
pub(crate) struct Held(OwnedFd);

impl Held {
    /// Has a descriptor hold new namespaces of these kinds.
    pub(crate) fn new(contexts: Contexts) -> Result<Self> {
        Self::of(&Device::open()?, unshare(contexts))
    }

    pub(crate) fn of(device: &Device, args: Args) -> Result<Self> {
        let (held, reply) = try_hold(device, args);
        held.with_context(|| format!("{reply:?}"))
    }

    pub(crate) fn enter(&self) -> Result<(), Errno> {
        command(self.as_fd(), ENTER)
    }

    pub(crate) fn leave(&self) -> Result<(), Errno> {
        command(self.as_fd(), LEAVE)
    }

    /// Does something inside.
    pub(crate) fn inside<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        self.enter().context("ENTER")?;
        let outcome = body();
        self.leave().context("LEAVE")?;
        outcome
    }

    /// The lines of fdinfo that the module writes.
    pub(crate) fn info(&self) -> Result<BTreeMap<String, String>> {
        let text = fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", self.0.as_raw_fd()))?;
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("unshare-"));
        let pairs = lines.filter_map(|line| line.split_once(":\t"));
        Ok(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    /// How many threads are inside, as fdinfo says.
    pub(crate) fn threads(&self) -> Result<usize> {
        Ok(self.info()?.get("inside").context("no count")?.parse()?)
    }
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Makes a request with `UNSHARE_HOLD`. The out fields go in dirty.
pub(crate) fn try_hold(device: &Device, mut args: Args) -> (Option<Held>, Reply) {
    args.options |= HOLD;
    args.replaced = u64::MAX;
    args.failed = u64::MAX;
    let number = c_ulong::from(raw::UNSHARE_IOC_COMMIT);
    // SAFETY: The structure lives across the call.
    let fd = checked(unsafe { libc::ioctl(device.number(), number, &raw mut args) });
    let reply = Reply {
        errno: fd.err(),
        replaced: Contexts::from_bits_retain(args.replaced),
        failed: Contexts::from_bits_retain(args.failed),
    };
    // SAFETY: The descriptor is new. A dry run returns 0, which is none.
    let own = |fd| (fd > 0).then(|| Held(unsafe { OwnedFd::from_raw_fd(fd) }));
    (fd.ok().and_then(own), reply)
}

/// ENTER or LEAVE.
pub(crate) fn command(fd: BorrowedFd<'_>, number: u32) -> Result<(), Errno> {
    ioctl(fd.as_raw_fd(), number, ptr::null_mut()).map_or(Ok(()), Err)
}

/// Leaves what was entered last, by the device.
pub(crate) fn leave_last(device: &Device) -> Result<(), Errno> {
    command(device.as_fd(), LEAVE)
}

/// The points of a thread in which `contexts` show, as [`Eye`] names them.
pub(crate) fn points(contexts: Contexts) -> BTreeSet<String> {
    let of = |context| match context {
        Contexts::MOUNT => vec!["mnt", "root", "cwd"],
        Contexts::UTS => vec!["uts"],
        Contexts::IPC => vec!["ipc"],
        Contexts::PID => vec!["pid_for_children"],
        Contexts::NET => vec!["net"],
        Contexts::CGROUP => vec!["cgroup"],
        // A copy of the same directories.
        _ => vec![],
    };
    contexts.each().flat_map(of).map(String::from).collect()
}

/// How the calling thread sees its own namespaces and directories, wherever it is.
pub(crate) struct Eye(OwnedFd);

/// What it sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View(BTreeMap<String, String>);

impl Eye {
    /// That of the calling thread. The folder of it stays open, since `/proc` may be out of reach inside.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(open(
            "/proc/thread-self",
            OFlags::PATH,
            Mode::empty(),
        )?))
    }

    pub(crate) fn view(&self) -> Result<View> {
        let mut view = BTreeMap::new();
        for name in [
            "mnt",
            "uts",
            "ipc",
            "pid_for_children",
            "net",
            "cgroup",
            "time",
            "user",
        ] {
            let link = readlinkat(&self.0, format!("ns/{name}"), Vec::new());
            let text = link.map_or_else(|e| e.to_string(), |l| l.to_string_lossy().into_owned());
            view.insert(name.to_owned(), text);
        }
        for name in ["root", "cwd"] {
            let mask = StatxFlags::BASIC_STATS | StatxFlags::from_bits_retain(0x4000);
            let stat = statx(&self.0, name, AtFlags::empty(), mask).context(name)?;
            let place = format!("{} {}", stat.stx_mnt_id, stat.stx_ino);
            view.insert(name.to_owned(), place);
        }
        Ok(View(view))
    }
}

impl View {
    pub(crate) fn get(&self, point: &str) -> Result<&str> {
        Ok(self.0.get(point).with_context(|| format!("no {point}"))?)
    }

    pub(crate) fn changed(&self, after: &Self) -> BTreeSet<String> {
        let differs = |point: &&String| self.0.get(*point) != after.0.get(*point);
        self.0.keys().filter(differs).cloned().collect()
    }

    pub(crate) fn ensure_same(&self, after: &Self) -> Result<()> {
        let changed = self.changed(after);
        ensure!(
            changed.is_empty(),
            "changed are {changed:?}: {self:?} became {after:?}"
        );
        Ok(())
    }
}

/// The umask of the calling thread.
pub(crate) fn umask() -> u32 {
    // SAFETY: umask(2) takes a number only.
    unsafe {
        let mask = libc::umask(0);
        libc::umask(mask);
        mask
    }
}

pub(crate) fn set_umask(mask: u32) {
    // SAFETY: umask(2) takes a number only.
    unsafe { libc::umask(mask) };
}

/// Waits until something is so that comes soon: a thread that is joined may have some steps of its end before it.
pub(crate) fn wait_until(condition: impl Fn() -> Result<bool>) -> Result<()> {
    for _ in 0..200 {
        if condition()? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    ensure!(condition()?, "it did not come to that");
    Ok(())
}
