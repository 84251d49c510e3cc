// SPDX-License-Identifier: GPL-2.0-only

//! Questions for a [`Sharer`](crate::sharer::Sharer), which tests also call themselves to compare.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::fd::{BorrowedFd, IntoRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::Mutex;

use anyhow::Result;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{chroot, getpid, umask};
use rustix::system::{sethostname, uname};

use crate::oracle::place;

pub(crate) fn cwd(_: &str) -> Result<String> {
    place(".")
}

pub(crate) fn root(_: &str) -> Result<String> {
    place("/")
}

pub(crate) fn chdir(path: &str) -> Result<String> {
    env::set_current_dir(path)?;
    cwd("")
}

pub(crate) fn change_root(path: &str) -> Result<String> {
    chroot(path)?;
    root("")
}

/// Returns the umask, and sets it to `arg` (octal) unless that is empty.
pub(crate) fn mask(arg: &str) -> Result<String> {
    let old = umask(Mode::empty());
    let new = match arg {
        "" => old,
        arg => Mode::from_raw_mode(u32::from_str_radix(arg, 8)?),
    };
    umask(new);
    Ok(format!("{new:?}"))
}

/// Returns the mount and inode of a path.
pub(crate) fn place_of(path: &str) -> Result<String> {
    place(path)
}

pub(crate) fn hostname(_: &str) -> Result<String> {
    Ok(uname().nodename().to_str()?.to_owned())
}

pub(crate) fn set_hostname(name: &str) -> Result<String> {
    sethostname(name.as_bytes())?;
    hostname("")
}

pub(crate) fn pid(_: &str) -> Result<String> {
    Ok(getpid().as_raw_nonzero().to_string())
}

/// Whether the descriptor `arg` is open.
pub(crate) fn is_open(arg: &str) -> Result<String> {
    Ok(open_here(arg.parse()?).to_string())
}

/// Opens a path and leaves it open; returns the descriptor's number.
pub(crate) fn open(path: &str) -> Result<String> {
    Ok(File::open(path)?.into_raw_fd().to_string())
}

/// Closes the descriptor `arg`.
pub(crate) fn close(arg: &str) -> Result<String> {
    // SAFETY: The tests own every descriptor by its number in the table at hand.
    unsafe { rustix::io::close(arg.parse()?) };
    Ok(String::new())
}

/// Returns a line of one of the task's files in /proc.
pub(crate) fn read(path: &str) -> Result<String> {
    Ok(fs::read_to_string(path)?)
}

/// Listens on an abstract socket name, which belongs to a network namespace.
pub(crate) fn listen(name: &str) -> Result<String> {
    // Kept as long as the task lives.
    static LISTENING: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());
    let address = SocketAddr::from_abstract_name(name)?;
    let socket = UnixListener::bind_addr(&address)?;
    LISTENING.lock().expect("nobody panics here").push(socket);
    Ok(String::new())
}

/// Whether a socket listens on an abstract name.
pub(crate) fn reaches(name: &str) -> Result<bool> {
    match UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the caller's descriptor `fd` is open.
pub(crate) fn open_here(fd: i32) -> bool {
    // SAFETY: fcntl(2) with F_GETFD changes nothing, whatever the number refers to.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_getfd(fd) != Err(Errno::BADF)
}
