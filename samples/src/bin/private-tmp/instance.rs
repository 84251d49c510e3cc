// SPDX-License-Identifier: GPL-2.0-only

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Uid, XattrFlags, chownat, fchmod, fsetxattr, fstat, mkdirat,
};
use rustix::io::Errno;

use crate::PROGRAM;
use crate::account::Account;
use crate::config::{Entry, Method};
use crate::context;
use crate::directory;
use crate::polydir::Polydir;

/// Where instances live: a directory that is root's alone, and what their names begin with.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) place: OwnedFd,
    path: PathBuf,
    pub(crate) prefix: String,
}

/// A directory that is to cover another one.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) directory: OwnedFd,
    pub(crate) path: PathBuf,
    pub(crate) is_new: bool,
}

/// The part of an instance's name that tells it from others; `None` where there are to be none.
pub(crate) fn name(entry: &Entry, account: &Account) -> Option<String> {
    let user = account.name.as_str();
    let context = context::of_session();
    let context = match entry.method {
        Method::Context => context,
        Method::Level => context
            .as_deref()
            .and_then(context::level)
            .map(str::to_owned),
        Method::User | Method::Tmpdir | Method::Tmpfs => return Some(user.to_owned()),
    };
    match context {
        // Some security modules name contexts by a program's path.
        Some(context) if entry.flags.shared => Some(escape(&context)),
        Some(context) => Some(format!("{}_{user}", escape(&context))),
        None if entry.flags.shared => {
            let directory = entry.directory(account);
            let directory = directory.display();
            eprintln!("{PROGRAM}: {directory}: no security context: it stays common");
            None
        }
        None => Some(user.to_owned()),
    }
}

fn escape(context: &str) -> String {
    context.replace('%', "%25").replace('/', "%2F")
}

impl Parent {
    /// Opens the directory part of `prefix`, or makes it: root's, with mode 000.
    pub(crate) fn open(prefix: &str, ignore_mode: bool) -> Result<Self> {
        let (parent, prefix) = prefix.rsplit_once('/').context("the prefix is no path")?;
        let path = Path::new(if parent.is_empty() { "/" } else { parent });
        let shown = path.display();
        let place = match directory::open(path) {
            Err(error) if error.downcast_ref() == Some(&Errno::NOENT) => make_parent(path)?,
            result => result?,
        };
        let stat = fstat(&place)?;
        ensure!(
            stat.st_uid == 0,
            "{shown}: belongs to {}, not to root",
            stat.st_uid
        );
        let mode = stat.st_mode & 0o777;
        ensure!(
            ignore_mode || mode == 0,
            "{shown}: has mode {mode:03o}, not 000"
        );
        Ok(Self {
            place,
            path: path.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    /// Opens the instance `name`, or makes it, with the owner and mode of `polydir`.
    pub(crate) fn instance(&self, name: &str, polydir: &Polydir) -> Result<Instance> {
        let name = format!("{}{name}", self.prefix);
        let path = self.path.join(&name);
        let is_new = match mkdirat(&self.place, &name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let directory = directory::open_child(&self.place, &name)
            .with_context(|| path.display().to_string())?;
        if is_new {
            adopt(&directory, polydir).with_context(|| path.display().to_string())?;
        }
        Ok(Instance {
            directory,
            path,
            is_new,
        })
    }
}

fn make_parent(path: &Path) -> Result<OwnedFd> {
    let name = path.file_name().context("the root directory is missing")?;
    let above = directory::open(path.parent().unwrap_or(path))?;
    match mkdirat(&above, name, Mode::empty()) {
        Ok(()) | Err(Errno::EXIST) => directory::open(path),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Makes the new directory look like the one that it is to cover.
fn adopt(directory: &OwnedFd, polydir: &Polydir) -> Result<()> {
    let stat = polydir.stat()?;
    ensure!(
        FileType::from_raw_mode(stat.st_mode).is_dir(),
        "covers no directory"
    );
    if let Some(label) = polydir.label() {
        fsetxattr(directory, c"security.selinux", &label, XattrFlags::empty())?;
    }
    let (owner, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(
        directory,
        c"",
        Some(owner),
        Some(group),
        AtFlags::EMPTY_PATH,
    )?;
    fchmod(directory, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_makes_one_file_name() {
        assert_eq!(
            escape("/usr/bin/100% (enforce)"),
            "%2Fusr%2Fbin%2F100%25 (enforce)"
        );
        assert_eq!(escape("u:r:t:s0"), "u:r:t:s0");
    }
}
