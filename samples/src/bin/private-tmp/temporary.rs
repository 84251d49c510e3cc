// SPDX-License-Identifier: GPL-2.0-only

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::Errno;

use crate::directory;
use crate::instance::{Instance, Parent};
use crate::polydir::Polydir;

/// An instance of method tmpdir. As long as this value lives, in any process, it is in use.
#[derive(Debug)]
pub(crate) struct Temporary {
    parent: Parent,
    name: String,
    _lock: OwnedFd,
}

impl Temporary {
    /// Makes an instance that no other session has.
    pub(crate) fn make(parent: Parent, user: &str, polydir: &Polydir) -> Result<(Self, Instance)> {
        for number in 0.. {
            let name = format!("{user}:{number}");
            let instance = parent.instance(&name, polydir)?;
            if !instance.is_new {
                continue;
            }
            let lock = instance.directory.try_clone()?;
            flock(&lock, FlockOperation::LockShared)?;
            // Somebody who cleans up may have taken it for an old one just before.
            if fstat(&lock)?.st_nlink == 0 {
                continue;
            }
            let temporary = Self {
                name: format!("{}{name}", parent.prefix),
                parent,
                _lock: lock,
            };
            return Ok((temporary, instance));
        }
        unreachable!("numbers do not end")
    }

    /// Removes it, with all that is in it.
    pub(crate) fn remove(self) -> Result<()> {
        remove(&self.parent, &self.name)
    }
}

/// Removes the user's instances that no session has.
pub(crate) fn remove_unused(parent: &Parent, user: &str) -> Result<()> {
    let start = format!("{}{user}:", parent.prefix);
    for entry in fs::read_dir(directory::path_of(&parent.place))? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some(number) = name.strip_prefix(&start) else {
            continue;
        };
        if number.parse::<u32>().is_err() {
            continue;
        }
        let lock = match directory::open_child(&parent.place, name) {
            Err(Errno::NOENT) => continue,
            result => result.with_context(|| name.to_owned())?,
        };
        match flock(lock.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => remove(parent, name)?,
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn remove(parent: &Parent, name: &str) -> Result<()> {
    // Does not follow links, whoever still writes into the directory meanwhile.
    match fs::remove_dir_all(directory::path_of(&parent.place).join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {name}"))
        }
        _ => Ok(()),
    }
}
