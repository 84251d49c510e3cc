// SPDX-License-Identifier: GPL-2.0-only

use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use nix::libc;
use rustix::mount::mount_bind;
use rustix::process::{Gid, Pid, Uid, geteuid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use unshare_device::Contexts;
use unshare_tools::{Credentials, Target, Terminal, set_dumpable};

use crate::helper::Helper;
use crate::maps::Maps;
use crate::options::{Id, IdOptions, Options};
use crate::own::OwnFiles;
use crate::places::Places;
use crate::task::id_of;

/// What must be looked up, opened or forked before the request, and is used after it.
#[derive(Debug)]
pub(crate) struct Prepared {
    own: Option<OwnFiles>,
    /// Maps that this task writes itself.
    maps: Option<Maps>,
    mapper: Option<Helper>,
    keeper: Option<Helper>,
    offsets: String,
    pub(crate) places: Places,
    pub(crate) credentials: Credentials,
    pub(crate) terminal: Option<Terminal>,
    /// Whether this process must be dumpable to write its own files under /proc: the kernel gives the
    /// files of a process that is not dumpable to root. Meanwhile a process of the container that runs
    /// as the same user may look into this one.
    opens_own_files: bool,
}

impl Prepared {
    pub(crate) fn new(
        options: &Options,
        target: Option<&Target>,
        attached: Contexts,
    ) -> Result<Self> {
        let parent = target.filter(|_| attached.contains(Contexts::USER));
        let maps = match options.ids.maps() {
            true => Some(Maps::new(&options.ids, parent)?),
            false => None,
        };
        let (maps, others) = maps.map_or((None, None), |maps| match maps.are_alone() {
            true => (Some(maps), None),
            false => (None, Some(maps)),
        });
        let files = options.contexts.files();
        let keeps_pid = files.iter().any(|(link, _)| link.contains("pid"));
        ensure!(
            !keeps_pid || options.forks(attached),
            "a PID namespace can be kept when it has a process: add --fork"
        );
        let offsets = offsets(options);
        let is_needed = maps.is_some() || !offsets.is_empty();
        Ok(Self {
            own: is_needed.then(OwnFiles::open).transpose()?,
            mapper: others.map(mapper).transpose()?,
            maps,
            keeper: keeper(files)?,
            offsets,
            places: Places::new(&options.attach, target)?,
            credentials: credentials(options, target, attached)?,
            terminal: options
                .how
                .pty
                .then(Terminal::new)
                .transpose()
                .context("--pty")?,
            opens_own_files: target.is_some() && !geteuid().is_root(),
        })
    }

    /// The descriptors that it needs after the request.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        let helpers = [&self.mapper, &self.keeper]
            .into_iter()
            .flatten()
            .map(Helper::descriptor);
        let own = self.own.iter().map(AsRawFd::as_raw_fd);
        let terminal = self.terminal.iter().flat_map(Terminal::descriptors);
        helpers
            .chain(own)
            .chain(terminal)
            .chain(self.places.descriptors())
            .collect()
    }

    /// Right after the request: maps the ids and sets the clocks of the new namespaces.
    pub(crate) fn fill_namespaces(&mut self) -> Result<()> {
        self.mapper.take().map_or(Ok(()), Helper::run)?;
        // Closed at the end of this function: its parent folder is the /proc of before the request.
        let Some(own) = self.own.take() else {
            return Ok(());
        };
        if self.opens_own_files {
            set_dumpable(true)?;
        }
        if let Some(maps) = &self.maps {
            maps.write(&own)?;
        }
        if !self.offsets.is_empty() {
            own.write("timens_offsets", &self.offsets)?;
        }
        match self.opens_own_files {
            true => set_dumpable(false),
            false => Ok(()),
        }
    }

    /// When a PID namespace has a process: has the files keep the namespaces.
    pub(crate) fn keep(&mut self) -> Result<()> {
        self.keeper.take().map_or(Ok(()), Helper::run)
    }
}

/// Changes the effective ids to those of `--owner`: the kernel makes the owner of a new user namespace from these.
pub(crate) fn become_owner((uid, gid): (u32, u32)) -> Result<()> {
    set_thread_res_gid(None, Gid::from_raw(gid), None).context("--owner: setresgid")?;
    set_thread_res_uid(None, Uid::from_raw(uid), None).context("--owner: setresuid")
}

/// Closes descriptors from `first` upwards, but for those that are needed, which are close-on-exec.
pub(crate) fn close_others(first: u32, mut needed: Vec<RawFd>) {
    needed.sort_unstable();
    let mut first = first;
    let needed = needed.into_iter().filter_map(|fd| u32::try_from(fd).ok());
    for fd in needed.filter(|fd| *fd >= first).collect::<Vec<_>>() {
        if fd > first {
            close(first, fd - 1);
        }
        first = fd + 1;
    }
    close(first, u32::MAX);
}

fn close(first: u32, last: u32) {
    // SAFETY: The caller names the descriptors that still have an owner.
    unsafe { libc::close_range(first, last, 0) };
}

/// The text of /proc/PID/timens_offsets.
fn offsets(options: &Options) -> String {
    let clocks = [
        ("monotonic", options.how.monotonic),
        ("boottime", options.how.boottime),
    ];
    let line = |(name, offset): (&str, Option<i64>)| Some(format!("{name} {} 0\n", offset?));
    clocks.into_iter().filter_map(line).collect()
}

/// The process that writes maps which the task itself may not write.
fn mapper(maps: Maps) -> Result<Helper> {
    // SAFETY: This program starts no threads.
    unsafe { Helper::fork(move |pid| maps.write_for(pid)) }
}

/// The process that mounts namespaces on files, in the mount namespace of the caller.
fn keeper(files: Vec<(&'static str, PathBuf)>) -> Result<Option<Helper>> {
    if files.is_empty() {
        return Ok(None);
    }
    for (_, file) in &files {
        fs::metadata(file)
            .with_context(|| format!("{}: cannot keep a namespace", file.display()))?;
    }
    // SAFETY: This program starts no threads.
    unsafe { Helper::fork(move |pid| keep(pid, &files)) }.map(Some)
}

fn keep(pid: Pid, files: &[(&'static str, PathBuf)]) -> Result<()> {
    for (link, file) in files {
        let namespace = format!("/proc/{}/{link}", pid.as_raw_nonzero());
        mount_bind(&namespace, file)
            .with_context(|| format!("{}: cannot keep {link}", file.display()))?;
    }
    Ok(())
}

fn credentials(
    options: &Options,
    target: Option<&Target>,
    attached: Contexts,
) -> Result<Credentials> {
    let IdOptions { setuid, setgid, .. } = options.ids;
    let id = |id: Option<Id>, name| match (id, target) {
        (Some(Id::Number(number)), _) => Ok(Some(number)),
        (Some(Id::Follow), Some(target)) => Ok(Some(id_of(target, name)?)),
        (Some(Id::Follow), None) => anyhow::bail!("follow: whom? (--attach)"),
        (None, _) => Ok(None),
    };
    let (user, group) = (id(setuid, "Uid")?, id(setgid, "Gid")?);
    // A user namespace of the command's own has its own maps of ids; one that is entered gives the command root's ids.
    let enters = attached.contains(Contexts::USER) && !options.unshared().contains(Contexts::USER);
    if enters && !options.attach.preserve_credentials {
        return Ok(Credentials::prepare(user.or(Some(0)), group.or(Some(0))));
    }
    Ok(Credentials::prepare(user, group))
}
