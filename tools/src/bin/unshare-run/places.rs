// SPDX-License-Identifier: GPL-2.0-only

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{chdir, chroot, fchdir};
use unshare_tools::Target;

use crate::options::AttachOptions;

/// The root directory and the working directory that the options name.
#[derive(Debug)]
pub(crate) struct Places {
    root: Option<Place>,
    wd: Option<Place>,
}

/// A directory.
#[derive(Debug)]
enum Place {
    /// Looked up before the request.
    Open(PathBuf, OwnedFd),
    /// To be looked up after it.
    Path(PathBuf),
}

impl Places {
    /// Before the request: looks up what is another task's, or the caller's.
    pub(crate) fn new(options: &AttachOptions, target: Option<&Target>) -> Result<Self> {
        let named = |path: &PathBuf| match target {
            Some(_) => Place::open(path),
            None => Ok(Place::Path(path.clone())),
        };
        let root = options.root().map(named).transpose()?;
        let wd = match (&options.wdns, options.wd(), target) {
            (Some(path), ..) => Some(Place::Path(path.clone())),
            (None, Some(path), _) => Some(named(path)?),
            (None, None, Some(target)) => of_task(options, target)?,
            (None, None, None) => None,
        };
        let default = root.is_some().then(|| Place::Path("/".into()));
        Ok(Self {
            root,
            wd: wd.or(default),
        })
    }

    /// After the request: goes there.
    pub(crate) fn enter(&self) -> Result<()> {
        if let Some(root) = &self.root {
            root.enter()?;
            chroot(".").with_context(|| format!("chroot to {}", root.path().display()))?;
        }
        self.wd.as_ref().map_or(Ok(()), Place::enter)
    }

    /// The descriptors that it needs.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        [&self.root, &self.wd]
            .into_iter()
            .flatten()
            .filter_map(|place| match place {
                Place::Open(_, fd) => Some(fd.as_raw_fd()),
                Place::Path(_) => None,
            })
    }
}

/// The working directory, where no path names one and the task's may be asked for.
fn of_task(options: &AttachOptions, target: &Target) -> Result<Option<Place>> {
    let (its_root, its_wd) = (options.root == Some(None), options.wd == Some(None));
    Ok(match (its_root, its_wd) {
        // The request takes both of the task's.
        (true, true) => None,
        (true, false) => Some(Place::Path("/".into())),
        (false, true) => Some(Place::open(Path::new(&target.proc("cwd")))?),
        (false, false) => None,
    })
}

impl Place {
    fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty());
        let fd = fd.with_context(|| path.display().to_string())?;
        Ok(Self::Open(path.to_owned(), fd))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Open(path, _) | Self::Path(path) => path,
        }
    }

    fn enter(&self) -> Result<()> {
        match self {
            Self::Open(_, fd) => fchdir(fd),
            Self::Path(path) => chdir(path),
        }
        .with_context(|| self.path().display().to_string())
    }
}
